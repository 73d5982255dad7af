//! Columns of text: spaces and never tabs, two blanks between columns, none at the end of a line
//! (CLI contract §1.3).

use crate::neutral::neutral;

/// A table that is being filled.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn with(headings: &[&str]) -> Table {
        let rows = vec![headings.iter().map(|heading| (*heading).to_owned()).collect()];
        Table { rows, right: Vec::new() }
    }

    /// The same with these columns (from 0) aligned to the right.
    #[must_use]
    pub fn right(mut self, columns: &[usize]) -> Table {
        self.right.extend_from_slice(columns);
        self
    }

    /// Adds a row.
    pub fn row<I, T>(&mut self, cells: I)
    where
        I: IntoIterator<Item = T>,
        T: Into<String>,
    {
        // A cell is one line, and nothing in it steers a terminal, wherever the table goes.
        let clean = |cell: T| neutral(&cell.into().replace(['\n', '\t', '\r'], " "));
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// Whether there are rows below the headings.
    #[must_use]
    pub fn has_rows(&self) -> bool {
        self.rows.len() > 1
    }

    /// The table as lines.
    #[must_use]
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column > 0 {
                    line.push_str("  ");
                }
                if self.right.contains(&column) {
                    line.push_str(&format!("{cell:>width$}"));
                } else {
                    line.push_str(&format!("{cell:<width$}"));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Puts sections one below the other with an empty line between; those without rows are absent.
#[must_use]
pub fn sections(tables: &[Table]) -> String {
    let texts: Vec<String> = tables.iter().filter(|t| t.has_rows()).map(Table::text).collect();
    texts.join("\n")
}

/// `text` cut to `most` characters, the last three of them dots when something is missing.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(3)).collect();
    format!("{kept}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_clean() {
        let mut table = Table::with(&["App", "Scale", "Message"]).right(&[1]);
        table.row(["wiki", "3", ""]);
        table.row(["postgresql", "12", "a\nb"]);
        assert_eq!(
            table.text(),
            "App         Scale  Message\nwiki            3\npostgresql     12  a b\n"
        );
        assert_eq!(
            sections(&[Table::with(&["X"]), table.clone(), table]).matches("\n\n").count(),
            1
        );
        assert_eq!(cut("abcdef", 5), "ab...");
        assert_eq!(cut("abcde", 5), "abcde");
    }
}

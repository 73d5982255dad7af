//! *load*: open a store's file with plain SQLite and read every row.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::measure::MeasureError;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of all texts and blobs.
    pub bytes: u64,
}

/// Reads every row of every table of the database at `path`.
pub fn load(path: &Path) -> Result<(Duration, Loaded), MeasureError> {
    let began = Instant::now();
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut loaded = Loaded::default();
    for name in names {
        let quoted = name.replace('"', "\"\"");
        let mut all = database.prepare(&format!("SELECT * FROM \"{quoted}\""))?;
        let columns = all.column_count();
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            loaded.rows += 1;
            for column in 0..columns {
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(column)? {
                    loaded.bytes += bytes.len() as u64;
                }
            }
        }
    }
    Ok((began.elapsed(), loaded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floors::circle;

    #[test]
    fn every_row_is_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.db");
        let database = circle::database(&path).unwrap();
        for _ in 0..5 {
            database.execute("INSERT INTO rows (value) VALUES ('abcd')", []).unwrap();
        }
        let (_, loaded) = load(&path).unwrap();
        assert_eq!(loaded, Loaded { rows: 5, bytes: 20 });
    }
}

//! The table that a measurement prints.

use comfy_table::{Table, presets};

use super::{Measured, Row, Summary, Unit};

/// One line a row: ratio against goal, both sides, and what a reader must know.
pub fn table(measured: &[(&'static Row, Measured)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "row",
        "ratio",
        "goal",
        "A min/median/p99",
        "B min/median/p99",
        "pairs",
        "what",
    ]);
    for (row, outcome) in measured {
        let paired = &outcome.paired;
        let p99 = paired.p99_ratio.map_or(String::new(), |ratio| format!(" (p99 {ratio:.2})"));
        let goal = row.goal.map_or("-".to_owned(), |goal| format!("{goal:.2}"));
        let dropped = match paired.dropped {
            0 => String::new(),
            dropped => format!(" ({dropped} dropped)"),
        };
        let note = if outcome.note.is_empty() { "" } else { "; " };
        table.add_row([
            row.id.to_owned(),
            format!("{:.2}{p99}", paired.ratio),
            goal,
            figures(&paired.a, outcome.unit),
            figures(&paired.b, outcome.unit),
            format!("{}{dropped}", paired.pairs),
            format!("{} / {}{note}{}", row.what, row.yardstick, outcome.note),
        ]);
    }
    table.to_string()
}

fn figures(summary: &Summary, unit: Unit) -> String {
    let show = |value: f64| match unit {
        Unit::Seconds => short(value),
        Unit::Bytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
    };
    let p99 = summary.p99.map_or("-".to_owned(), show);
    format!("{}/{}/{p99}", show(summary.min), show(summary.median))
}

/// Seconds in the unit that leaves one to three digits before the point.
pub fn short(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn times_are_short() {
        assert_eq!(short(0.000_2), "200 µs");
        assert_eq!(short(0.013_6), "13.60 ms");
        assert_eq!(short(3.24), "3.24 s");
    }
}

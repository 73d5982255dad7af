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
        "cpu A/B",
        "peak A/B",
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
            both(paired.a.cpu, paired.b.cpu, short),
            both(paired.a.peak as f64, paired.b.peak as f64, mebibytes),
            format!("{}{dropped}", paired.pairs),
            format!("{} / {}{note}{}{}", row.what, row.yardstick, outcome.note, counts(outcome)),
        ]);
    }
    table.to_string()
}

fn figures(summary: &Summary, unit: Unit) -> String {
    let show = |value: f64| match unit {
        Unit::Seconds => short(value),
        Unit::Bytes => mebibytes(value),
    };
    let p99 = summary.p99.map_or("-".to_owned(), show);
    format!("{}/{}/{p99}", show(summary.min), show(summary.median))
}

/// Both sides of what goes beside a time; a dash where it was not taken.
fn both(a: f64, b: f64, show: fn(f64) -> String) -> String {
    // Sides that are not runs have the smallest number there is in place of a time.
    let one = |value: f64| if value > f64::MIN_POSITIVE { show(value) } else { "-".to_owned() };
    format!("{}/{}", one(a), one(b))
}

fn counts(outcome: &Measured) -> String {
    let shown: Vec<String> =
        outcome.counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if shown.is_empty() { String::new() } else { format!("; {}", shown.join(", ")) }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
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
    use super::{both, short};

    #[test]
    fn what_was_not_taken_is_a_dash() {
        assert_eq!(both(1.5, f64::MIN_POSITIVE, short), "1.50 s/-");
        assert_eq!(both(0.0, 0.25, short), "-/250.00 ms");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(short(0.000_2), "200 µs");
        assert_eq!(short(0.013_6), "13.60 ms");
        assert_eq!(short(3.24), "3.24 s");
    }
}

//! One line of JSON for each row measured, so that a slide over months is seen.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::{MeasureError, Measured, Summary, Unit, machine};

/// Adds a line to the log at `path`.
pub fn append(
    path: &Path,
    at: jiff::Timestamp,
    commit: &str,
    id: &str,
    outcome: &Measured,
) -> Result<(), MeasureError> {
    let failed = |source| MeasureError::Log { path: path.to_owned(), source };
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    writeln!(file, "{}", line(at, commit, id, outcome)).map_err(failed)
}

fn line(at: jiff::Timestamp, commit: &str, id: &str, outcome: &Measured) -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "date": at.to_string(),
        "commit": commit,
        "row": id,
        "a": side(&outcome.paired.a),
        "b": side(&outcome.paired.b),
        "ratio": outcome.paired.ratio,
        "p99-ratio": outcome.paired.p99_ratio,
        "pairs": outcome.paired.pairs,
        "dropped": outcome.paired.dropped,
        "counts": outcome.counts,
        "note": outcome.note,
        "unit": match outcome.unit {
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
        },
        "cores": cores,
        "kernel": machine::kernel(),
    })
}

fn side(summary: &Summary) -> Value {
    json!({
        "samples": summary.samples,
        "min": summary.min,
        "median": summary.median,
        "p99": summary.p99,
        "cpu": summary.cpu,
        "peak": summary.peak,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::Paired;

    #[test]
    fn a_line_is_one_line_and_says_what_it_is_of() {
        let side = Summary { samples: 7, min: 1.0, median: 2.0, p99: None, cpu: 0.5, peak: 3 };
        let paired = Paired { a: side, b: side, ratio: 1.0, p99_ratio: None, pairs: 7, dropped: 2 };
        let outcome = Measured {
            paired,
            counts: BTreeMap::from([("rows".to_owned(), 9)]),
            note: "B does not sync".to_owned(),
            unit: Unit::Seconds,
        };
        let text = line(jiff::Timestamp::UNIX_EPOCH, "abc", "Q1", &outcome).to_string();
        assert!(!text.contains('\n'));
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&back["row"], &back["dropped"], &back["counts"]["rows"]),
            (&json!("Q1"), &json!(2), &json!(9))
        );
        assert_eq!(back["date"], "1970-01-01T00:00:00Z");
    }
}

//! Pairs of runs, and what is made of them.

use std::time::{Duration, Instant};

use super::MeasureError;
use super::machine::Ticks;

/// The share of the machine that others may use during a run.
const OTHERS: f64 = 0.12;
/// Runs dropped in a row before giving up.
const PATIENCE: usize = 20;
/// How long to wait for a quiet machine before each run, at most.
const SETTLE: Duration = Duration::from_secs(20);
/// How long the machine is looked at to see whether it is quiet.
const LOOK: Duration = Duration::from_millis(300);
/// From how many samples on a 99th percentile means something.
const FOR_P99: usize = 100;

/// One run of one side: one time, or the times of many like calls.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The times, in seconds.
    pub times: Vec<f64>,
    /// Processor time of all that took part, in seconds; zero if not known.
    pub cpu: f64,
    /// The largest resident memory of all that took part, in bytes; zero if not known.
    pub peak: u64,
}

impl Run {
    /// A run that took `time`.
    pub fn of(time: Duration) -> Self {
        Self { times: vec![time.as_secs_f64()], ..Self::default() }
    }

    /// A run of many calls.
    pub fn of_many(times: impl IntoIterator<Item = Duration>) -> Self {
        let times = times.into_iter().map(|time| time.as_secs_f64()).collect();
        Self { times, ..Self::default() }
    }
}

/// What all runs of one side come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many times were taken.
    pub samples: usize,
    /// The shortest, in seconds.
    pub min: f64,
    /// The one in the middle, in seconds.
    pub median: f64,
    /// The 99th percentile in seconds, if there were enough.
    pub p99: Option<f64>,
    /// Processor time of a run in the middle, in seconds.
    pub cpu: f64,
    /// The largest resident memory of any run, in bytes.
    pub peak: u64,
}

/// Both sides of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// What is measured.
    pub a: Summary,
    /// Its yardstick.
    pub b: Summary,
    /// The median of the pairs' ratios of medians.
    pub ratio: f64,
    /// The ratio of the two 99th percentiles, if both have one.
    pub p99_ratio: Option<f64>,
    /// Pairs that count.
    pub pairs: usize,
    /// Runs dropped because others used the machine.
    pub dropped: usize,
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// Whether to wait for a quiet machine and drop noisy runs.
    pub strict: bool,
    /// Divides the number of pairs, for a quick look.
    pub shorten: usize,
}

impl Bench {
    /// Runs `pairs` pairs, A first in each.
    pub fn pairs(
        &self,
        pairs: usize,
        mut a: impl FnMut() -> Result<Run, MeasureError>,
        mut b: impl FnMut() -> Result<Run, MeasureError>,
    ) -> Result<Paired, MeasureError> {
        let wanted = pairs.div_ceil(self.shorten.max(1)).max(1);
        let mut kept: Vec<(Run, Run)> = Vec::new();
        let (mut dropped, mut in_a_row) = (0, 0);
        while kept.len() < wanted {
            match (self.one(&mut a)?, self.one(&mut b)?) {
                (Some(a), Some(b)) => {
                    kept.push((a, b));
                    in_a_row = 0;
                }
                (a, b) => {
                    dropped += usize::from(a.is_none()) + usize::from(b.is_none());
                    in_a_row += 1;
                    if in_a_row >= PATIENCE {
                        return Err(MeasureError::Noisy { dropped });
                    }
                }
            }
        }
        Ok(paired(&kept, dropped))
    }

    /// One run, or nothing if others used the machine meanwhile.
    fn one(
        &self,
        side: &mut impl FnMut() -> Result<Run, MeasureError>,
    ) -> Result<Option<Run>, MeasureError> {
        if self.strict {
            settle();
        }
        let (before, began) = (Ticks::now(), Instant::now());
        let mut run = side()?;
        let after = Ticks::now();
        if run.cpu == 0.0 {
            run.cpu = after.ours_since(before);
        }
        // Ticks are hundredths of a second: over less than half a second they say nothing.
        let told = began.elapsed() >= Duration::from_millis(500);
        let noisy = self.strict && told && after.others_since(before) > OTHERS;
        Ok(if noisy { None } else { Some(run) })
    }
}

/// Waits until the machine is quiet, or long enough to know that it will not be.
fn settle() {
    let began = Instant::now();
    while began.elapsed() < SETTLE {
        let before = Ticks::now();
        std::thread::sleep(LOOK);
        if Ticks::now().others_since(before) < OTHERS / 2.0 {
            return;
        }
    }
}

fn paired(kept: &[(Run, Run)], dropped: usize) -> Paired {
    let ratios = kept.iter().map(|(a, b)| median(&a.times) / median(&b.times)).collect::<Vec<_>>();
    let a = summary(kept.iter().map(|(a, _)| a));
    let b = summary(kept.iter().map(|(_, b)| b));
    let p99_ratio = a.p99.zip(b.p99).map(|(a, b)| a / b);
    Paired { a, b, ratio: median(&ratios), p99_ratio, pairs: kept.len(), dropped }
}

fn summary<'a>(runs: impl Iterator<Item = &'a Run> + Clone) -> Summary {
    let times: Vec<f64> = runs.clone().flat_map(|run| run.times.iter().copied()).collect();
    let cpu: Vec<f64> = runs.clone().map(|run| run.cpu).collect();
    Summary {
        samples: times.len(),
        min: percentile(&times, 0.0),
        median: median(&times),
        p99: (times.len() >= FOR_P99).then(|| percentile(&times, 0.99)),
        cpu: median(&cpu),
        peak: runs.map(|run| run.peak).max().unwrap_or(0),
    }
}

fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value below which `share` of the values lie; the lower of two in the middle.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).floor() as usize).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(times: &[f64]) -> Run {
        Run { times: times.to_vec(), ..Run::default() }
    }

    #[test]
    fn the_ratio_is_the_median_of_pairs_not_of_pools() {
        let kept =
            [(run(&[1.0]), run(&[2.0])), (run(&[9.0]), run(&[3.0])), (run(&[2.0]), run(&[2.0]))];
        let paired = paired(&kept, 1);
        assert!((paired.ratio - 1.0).abs() < 1e-9);
        assert_eq!((paired.pairs, paired.dropped, paired.a.samples), (3, 1, 3));
        assert!(paired.a.p99.is_none());
    }

    #[test]
    fn percentiles_of_a_hundred() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert!((percentile(&values, 0.99) - 99.0).abs() < 1e-9);
        assert!((percentile(&values, 0.0)).abs() < 1e-9);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn sides_alternate_and_a_failure_ends_the_row() {
        let bench = Bench { strict: false, shorten: 1 };
        let order = std::cell::RefCell::new(String::new());
        let side = |name: char| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                Ok(Run::of(Duration::from_millis(1)))
            }
        };
        bench.pairs(3, side('a'), side('b')).unwrap();
        assert_eq!(*order.borrow(), "ababab");
        let fails = || Err(MeasureError::Unequal("trees differ".to_owned()));
        assert!(bench.pairs(3, fails, side('b')).is_err());
    }
}

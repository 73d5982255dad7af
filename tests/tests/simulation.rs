//! Random stories, told with everything going wrong that can: whatever must never be is looked for
//! after each change, and every story comes to rest (reliability document, R15 to R17, R28, §8).
//!
//! A story is its seed. `SIMULATION_SEEDS=20000` tells more of them, `SIMULATION_SEED=17` tells one
//! and prints what happened in it.

#![expect(clippy::print_stdout, reason = "a story that broke is told to whoever ran it")]

#[path = "simulation/records.rs"]
mod records;
#[path = "simulation/story.rs"]
mod story;

use std::sync::atomic::{AtomicU64, Ordering};

use muster_tests::world::{Broken, Faults, World};

/// How many stories an ordinary run tells.
const SEEDS: u64 = 500;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Tells the stories of all seeds on all processors; the first that breaks is told again in full.
fn tell(name: &str, seeds: u64, story: fn(u64) -> (World, Result<(), Broken>)) {
    if let Some(seed) = number("SIMULATION_SEED") {
        let (world, result) = story(seed);
        println!("{}", world.log.join("\n"));
        let (same, all) = world.precision;
        println!("{} Txns; {same} of {all} new goals were as the last", world.txns);
        if let Err(broken) = result {
            panic!("{name}, seed {seed}: {broken}");
        }
        return;
    }
    let (next, worst) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || worst.load(Ordering::Relaxed) < seed {
                        return;
                    }
                    if story(seed).1.is_err() {
                        worst.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let worst = worst.into_inner();
    if worst == u64::MAX {
        return;
    }
    let (world, result) = story(worst);
    let tail = world.log.len().saturating_sub(60);
    let lines: Vec<&str> = world.log.iter().skip(tail).map(String::as_str).collect();
    println!("{}", lines.join("\n"));
    match result {
        Err(broken) => panic!("{name}: SIMULATION_SEED={worst} tells it again: {broken}"),
        Ok(()) => panic!("{name}: seed {worst} broke and does not break again"),
    }
}

fn seeds(usual: u64) -> u64 {
    number("SIMULATION_SEEDS").unwrap_or(usual)
}

/// Hook contract L25.
#[test]
fn r15_any_story_stays_sound_and_comes_to_rest() {
    tell("with all faults", seeds(SEEDS), |seed| story::tell(seed, Faults::all(), 60));
}

#[test]
fn r15_a_story_without_faults_comes_to_rest() {
    tell("without faults", seeds(SEEDS / 5), |seed| story::tell(seed, Faults::default(), 40));
}

#[test]
fn r15_a_network_that_loses_and_repeats_changes_nothing() {
    tell("network", seeds(SEEDS / 5), |seed| story::tell(seed, Faults::network(), 40));
}

#[test]
fn r28_whatever_is_taken_down_is_gone() {
    tell("taken down", seeds(SEEDS / 5), |seed| story::tell_to_the_end(seed, Faults::all(), 30));
}

#[test]
fn r15_the_same_seed_tells_the_same_story() {
    for seed in 0..seeds(SEEDS).min(10) {
        let (one, _) = story::tell(seed, Faults::all(), 40);
        let (other, _) = story::tell(seed, Faults::all(), 40);
        assert!(one.log == other.log, "seed {seed} tells two stories");
    }
}

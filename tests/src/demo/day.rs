//! Days after the first: scaling, configuring, and taking everything down.

use std::fs;

use super::hand::{failed, note};
use super::{DemoError, Hand, NAME, Place, job, stand};
use crate::voice::Voice;

/// Brings Spark to `count` units. The leader stays; the newest others go first.
pub fn scale(count: u32, hand: &Hand, voice: &Voice) -> Result<(), DemoError> {
    let status = hand.status()?;
    let mut units: Vec<(u32, String)> = stand::units(&status)
        .filter_map(|(name, _)| Some((name.strip_prefix("spark/")?.parse().ok()?, name.clone())))
        .collect();
    units.sort();
    let now = u32::try_from(units.len()).unwrap_or(u32::MAX);
    if count > now {
        let more = (count - now).to_string();
        hand.run(&["add-unit", "spark", "--num-units", &more])?;
    } else if count < now {
        let leaders = stand::units(&status).filter(|(_, unit)| {
            unit.get("leader").and_then(serde_json::Value::as_bool) == Some(true)
        });
        let leaders: Vec<&String> = leaders.map(|(name, _)| name).collect();
        let going = units.iter().rev().map(|(_, name)| name.as_str());
        let going = going.filter(|name| !leaders.iter().any(|leader| leader == name));
        let mut args = vec!["remove-unit", "--no-prompt", "--destroy-storage"];
        args.extend(going.take((now - count) as usize));
        hand.run(&args)?;
    }
    stand::counted(hand, "spark", count, voice)?;
    job::show_status(hand)
}

/// Sets options of the Spark charm, waits until they hold, and shows them.
pub fn config(pairs: &[String], hand: &Hand, voice: &Voice) -> Result<(), DemoError> {
    let mut args = vec!["config", "spark"];
    args.extend(pairs.iter().map(String::as_str));
    hand.run(&args)?;
    stand::settled(hand, voice)?;
    job::show_status(hand)
}

/// Removes the controller with everything it made, and what the demo wrote.
pub fn down(hand: &Hand, place: &Place, voice: &Voice) -> Result<(), DemoError> {
    let work = voice.work("removing controller, machines and volumes");
    let known = hand.bare(&["controllers", "--format", "json"]).run();
    let known = known.map_err(|source| failed(&["controllers"], source))?;
    if known.contains(&format!("\"{NAME}\"")) {
        let args = ["kill-controller", NAME, "--no-prompt"];
        let done = hand.bare(&args).run_with(|line| note(&work, line));
        done.map_err(|source| failed(&args, source))?;
        work.done("");
    } else {
        work.done("there was nothing");
    }
    let folder = place.folder();
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .map_err(|source| DemoError::Write { path: folder.clone(), source })?;
    }
    voice.say(format_args!("  the cache stays: {}", place.parts.display()));
    Ok(())
}

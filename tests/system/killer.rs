//! Kills agents as their journals pass each state.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How often journals are read. Short states are met because hooks are many.
const LOOK: Duration = Duration::from_millis(2);

/// What begins a slot of a journal.
const MAGIC: &[u8] = b"muster-1";
/// The header of a slot: magic, generation, length, digest.
const HEADER: usize = 8 + 8 + 8 + 32;

/// Kills the agent of some machine once in each state that a journal passes.
pub(crate) struct Killer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Killer {
    /// Begins, sparing the processes that run already.
    pub(crate) fn begin() -> Self {
        let spared: BTreeSet<i32> = agents().into_iter().map(|(pid, _)| pid).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut met = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                for (pid, journals) in agents() {
                    if spared.contains(&pid) {
                        continue;
                    }
                    if let Some(state) = journals.iter().find_map(|path| unmet(path, &met)) {
                        // It may just have ended by itself; then another one meets the state.
                        if kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok() {
                            met.insert(state);
                        }
                    }
                }
                thread::sleep(LOOK);
            }
            met
        });
        Self { stop, thread }
    }

    /// Ends, and says in which states an agent was killed.
    pub(crate) fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the killer's thread")
    }
}

/// The agents of machines with the journals of their units, as this host sees them.
pub(crate) fn agents() -> Vec<(i32, Vec<PathBuf>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        // Tools and hooks' starters are the same binary; the agent itself is named so.
        let own = line.split(|byte| *byte == 0).next().unwrap_or_default();
        if name.trim() != "muster-agent"
            || !own.ends_with(b"muster-agent")
            || !groups.contains("/muster-")
        {
            continue;
        }
        let units = entry.path().join("root/var/lib/muster/agent/units");
        let journals = fs::read_dir(units).into_iter().flatten().flatten();
        found.push((pid, journals.map(|unit| unit.path().join("journal")).collect()));
    }
    found
}

/// The state a journal is in, unless an agent was killed in it before.
fn unmet(journal: &Path, met: &BTreeSet<String>) -> Option<String> {
    let state = state(&fs::read(journal).ok()?)?;
    (state != "idle" && !met.contains(&state)).then_some(state)
}

/// The name of what is under way, from the newer of the two slots. Nothing while one is written.
fn state(bytes: &[u8]) -> Option<String> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let (_, content) = [first, second].into_iter().filter_map(slot).max_by_key(|slot| slot.0)?;
    let local: Value = serde_json::from_slice(content).ok()?;
    match local.get("progress").unwrap_or(&Value::String("idle".to_owned())) {
        Value::String(name) => Some(name.clone()),
        Value::Object(only) => only.keys().next().cloned(),
        _ => None,
    }
}

fn slot(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let length = usize::try_from(number(16)?).ok()?;
    Some((number(8)?, bytes.get(HEADER..HEADER.checked_add(length)?)?))
}

#[test]
fn a_0_the_killer_reads_journals_as_agents_write_them() {
    let entry = |generation: u64, text: &str| {
        let mut slot = MAGIC.to_vec();
        slot.extend(generation.to_le_bytes());
        slot.extend((text.len() as u64).to_le_bytes());
        slot.extend([0; 32]);
        slot.extend(text.as_bytes());
        slot.resize(256, 0);
        slot
    };
    let running = r#"{"progress": {"running": {"hook": "install"}}}"#;
    let bytes = [entry(7, running), entry(6, "{}")].concat();
    assert_eq!(state(&bytes).as_deref(), Some("running"));
    let bytes = [entry(7, running), entry(8, "{}")].concat();
    assert_eq!(state(&bytes).as_deref(), Some("idle"));
    assert_eq!(state(&[0; 64]), None);
}

//! Which processes this agent has started, on disk: so that the next one finds what a killed agent
//! left running, and ends it before anything else runs (reliability document, R5 and R6); and knows
//! what a hook that was over had left to its unit, which goes on.
//!
//! Where a service manager starts the agent, it ends them with it; where none does, a hook would go on
//! beside its own retry. The notes are not synced: a crash of the machine ends the processes too, and
//! notes of an earlier boot speak of nobody.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts;
use crate::hook::cgroup::Group;
use crate::hook::left::Left;
use crate::hook::session::Session;

/// The notes of one agent. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    folder: PathBuf,
    boot: Arc<str>,
    pub(crate) left: Left,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    boot: String,
    session: Session,
    /// The control group, if it has one.
    group: Option<PathBuf>,
    /// Whose it is now, if the run was over and this is what it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<String>,
}

impl Runs {
    /// The notes in `folder`, which is made.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Runs> {
        crate::paths::private_folder(&folder)?;
        Ok(Runs { folder, boot: facts::boot_id().into(), left: Left::default() })
    }

    /// Notes a process that was started, under a name of its own; where it stands is removed when the
    /// run has been cleared away.
    pub(crate) fn note(
        &self,
        name: &str,
        session: Session,
        group: Option<&Path>,
    ) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        self.write(&path, session, group, None)?;
        Ok(path)
    }

    fn write(
        &self,
        path: &Path,
        session: Session,
        group: Option<&Path>,
        left: Option<&str>,
    ) -> io::Result<()> {
        let note = Note {
            boot: self.boot.to_string(),
            session,
            group: group.map(Path::to_path_buf),
            left: left.map(str::to_owned),
        };
        fs::write(path, serde_json::to_vec(&note)?)
    }

    /// Notes that a run is over and that what it left is `whose`. A note that cannot be written costs
    /// the processes their life where the agent ends without its machine.
    pub(crate) fn leave(&self, group: &Group, whose: &str) {
        let (Some(session), path, Some(note)) = group.noted() else { return };
        if let Err(error) = self.write(note, session, path, Some(whose)) {
            tracing::warn!(%error, "no note of what a hook left running");
        }
    }

    /// Ends what was running when an earlier agent ended: asked first, and killed `grace` later; and
    /// takes over what hooks had left. Whoever calls this holds the agent's lock; so nobody else's
    /// process is among them.
    pub(crate) async fn take_over(&self, grace: Duration) -> io::Result<()> {
        let mut endings = tokio::task::JoinSet::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            // A note that was cut short is of a process that waited for orders, and has ended.
            let note = serde_json::from_slice::<Note>(&fs::read(&path)?).ok();
            match note.filter(|note| *note.boot == *self.boot) {
                Some(Note { left: Some(whose), group, session, .. }) => {
                    let group = Group::of_before(group, session, path);
                    if !(group.is_empty() && group.remove().is_ok()) {
                        self.left.add(whose, Arc::new(group));
                    }
                }
                Some(note) => {
                    let group = Group::of_before(note.group, note.session, path);
                    if !group.is_empty() {
                        tracing::warn!(
                            ?group,
                            "what an earlier agent started still runs; it is ended"
                        );
                    }
                    endings.spawn(async move { group.clear(Duration::ZERO, grace).await });
                }
                None => fs::remove_file(&path)?,
            }
        }
        while endings.join_next().await.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::Pid;
    use std::process::Command;

    #[tokio::test]
    async fn r5_what_a_killed_agent_left_is_ended_without_control_groups_too() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::open(folder.path().join("runs")).unwrap();
        // It does not end when it is asked to, and has a child.
        let mut child = Command::new("setsid")
            .args(["sh", "-c", "trap '' TERM; sleep 600 & while :; do sleep 1; done"])
            .spawn()
            .unwrap();
        let leader = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let session = Session::of(leader).unwrap();
        while session.members().len() < 2 {
            std::thread::yield_now();
        }
        runs.note("1-1", session, None).unwrap();
        // Another process of that number, and one of another boot, are nobody's.
        let own = Session::of(rustix::process::getpid()).unwrap();
        let other = Runs { boot: "before".into(), ..runs.clone() };
        other.note("1-2", own, None).unwrap();
        fs::write(folder.path().join("runs/1-3"), "{").unwrap();
        runs.take_over(Duration::from_millis(200)).await.unwrap();
        assert!(session.members().is_empty());
        assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 0);
        child.wait().unwrap();
    }

    /// Hook contract E16.
    #[tokio::test]
    async fn what_a_hook_had_left_is_its_units_also_after_the_agent_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::open(folder.path().join("runs")).unwrap();
        let mut child = Command::new("setsid").args(["sleep", "600"]).spawn().unwrap();
        let leader = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let session = Session::of(leader).unwrap();
        while session.members().is_empty() {
            std::thread::yield_now();
        }
        let note = runs.note("1-1", session, None).unwrap();
        runs.leave(&Group::of_before(None, session, note), "unit-wiki-0");
        let next = Runs::open(folder.path().join("runs")).unwrap();
        next.take_over(Duration::from_millis(200)).await.unwrap();
        assert_eq!(next.left.counts(), [("unit-wiki-0".to_owned(), 1)].into());
        let (other, own) = ("wiki/1".parse().unwrap(), "wiki/0".parse().unwrap());
        next.left.end(&other, Duration::ZERO).await;
        assert_eq!(session.members().len(), 1, "another unit has left");
        next.left.end(&own, Duration::from_secs(5)).await;
        assert!(session.members().is_empty());
        assert!(next.left.is_empty() && next.left.counts().is_empty());
        assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 0);
        child.wait().unwrap();
    }
}

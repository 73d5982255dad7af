//! Who is let in over SSH: the model's keys, written whole; and for one connection at a time the key of
//! whoever opened a shell.
//!
//! The machine's own SSH server reads the model's keys where the substrate told it to
//! (`AuthorizedKeysFile`). For OpenSSH over a shell the agent starts a server of its own for that
//! connection: no port is opened, and whether the machine's own runs does not matter.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use muster_model::ssh_key::{BadKey, SshKey};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::fetch::blocking;
use crate::paths::Paths;
use crate::world::World;

/// Temporary files so far.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// How keys of one connection are called.
const CONNECTION: &str = "connection-";

/// Where a server that starts for one connection looks for a folder to be safe in.
const EMPTY: &str = "/run/sshd";

/// Why keys are not as they should be.
#[derive(Debug, Error)]
pub(crate) enum KeyError {
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot make the machine's host key with `ssh-keygen`")]
    Make(#[source] io::Error),
    #[error("the operator's key is none")]
    Key(#[source] BadKey),
}

/// The keys of the model, for everybody to read: the server looks at them as the user who logs in.
pub(crate) fn authorized(paths: &Paths) -> PathBuf {
    paths.ssh().join("authorized_keys")
}

/// Writes the model's keys whenever the goal has others, until `stop`.
pub(crate) async fn serve(world: World, stop: CancellationToken) {
    let mut goals = world.goal.subscribe();
    let mut written: Option<Vec<SshKey>> = None;
    sweep(&world.settings.paths);
    loop {
        let wanted = goals.borrow_and_update().as_ref().map(|goal| goal.ssh_keys.clone());
        if let Some(keys) = wanted.filter(|keys| written.as_ref() != Some(keys)) {
            let (paths, lines) = (world.settings.paths.clone(), keys.clone());
            let done = match blocking(move || write_authorized(&paths, &lines)).await {
                Ok(done) => {
                    done.map_err(|error| muster_console::outcome::Chain(&error).to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            match done {
                Ok(()) => written = Some(keys),
                Err(error) => tracing::warn!(error, "the model's ssh keys are not written"),
            }
        }
        tokio::select! {
            changed = goals.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

/// Writes all of the model's keys, or takes the file away when there are none.
fn write_authorized(paths: &Paths, keys: &[SshKey]) -> Result<(), KeyError> {
    let path = authorized(paths);
    if keys.is_empty() {
        return match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(KeyError::Write { path, source })
            }
            _ => Ok(()),
        };
    }
    let mut text = String::from("# The model's keys: `muster add-ssh-key`. Written whole.\n");
    for key in keys {
        text.push_str(&format!("{key}\n"));
    }
    write(&path, &text, 0o644)
}

/// Writes a file whole: whoever reads it sees the old or the new.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), KeyError> {
    let wrong = |source| KeyError::Write { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(wrong)?;
    let new = path.with_extension("new");
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&new)
        .map_err(wrong)?;
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(wrong)?;
    file.write_all(text.as_bytes()).map_err(wrong)?;
    file.sync_all().map_err(wrong)?;
    fs::rename(&new, path).map_err(wrong)
}

/// A file that is there for as long as this is.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, "the key of a connection that is over is still there");
        }
    }
}

/// Takes away what connections of an agent that was killed have left.
fn sweep(paths: &Paths) {
    let names = crate::paths::entries(&paths.ssh()).unwrap_or_default();
    for name in names.iter().filter(|name| name.to_string_lossy().starts_with(CONNECTION)) {
        if let Err(error) = fs::remove_file(paths.ssh().join(name)) {
            tracing::debug!(%error, "the key of an old connection is still there");
        }
    }
}

/// The words of a server for one connection, which lets the model's keys in and this one.
pub(super) fn server(paths: &Paths, key: &str) -> Result<(Vec<OsString>, Temporary), KeyError> {
    let key: SshKey = key.parse().map_err(KeyError::Key)?;
    let host = host_key(paths)?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let own = paths.ssh().join(format!("{CONNECTION}{}-{number}", std::process::id()));
    write(&own, &format!("{key}\n"), 0o644)?;
    let own = Temporary(own);
    let empty = Path::new(EMPTY);
    if !empty.is_dir() {
        let wrong = |source| KeyError::Write { path: empty.to_owned(), source };
        fs::DirBuilder::new().mode(0o755).create(empty).map_err(wrong)?;
    }
    let mut words: Vec<OsString> = vec!["-i".into(), "-f".into(), "/dev/null".into()];
    for option in [
        format!("HostKey={}", host.display()),
        format!("AuthorizedKeysFile={} {}", authorized(paths).display(), own.0.display()),
        "PasswordAuthentication=no".to_owned(),
        "KbdInteractiveAuthentication=no".to_owned(),
        "PermitRootLogin=prohibit-password".to_owned(),
        // The folders above the keys are whoever's made the machine.
        "StrictModes=no".to_owned(),
        // Without sessions of its own, all of it stays in the shell's group and ends with it.
        "UsePAM=no".to_owned(),
        "X11Forwarding=no".to_owned(),
        "Subsystem=sftp internal-sftp".to_owned(),
        "AcceptEnv=LANG LC_*".to_owned(),
        "PidFile=none".to_owned(),
    ] {
        words.extend(["-o".into(), option.into()]);
    }
    Ok((words, own))
}

/// The key that servers of this machine are known by; made when it is first asked for.
fn host_key(paths: &Paths) -> Result<PathBuf, KeyError> {
    let path = paths.ssh().join("host_key");
    if path.exists() && path.with_extension("pub").exists() {
        return Ok(path);
    }
    let wrong = |source| KeyError::Write { path: path.clone(), source };
    fs::DirBuilder::new().recursive(true).mode(0o755).create(paths.ssh()).map_err(wrong)?;
    // Whoever else makes one at the same time makes another; the first whole one stays.
    let new = path.with_extension(format!("{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let mut made = Command::new("ssh-keygen");
    made.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&new);
    let output = made.stdin(Stdio::null()).output().map_err(KeyError::Make)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(KeyError::Make(io::Error::other(said)));
    }
    let public = PathBuf::from(format!("{}.pub", new.display()));
    match fs::hard_link(&new, &path) {
        Ok(()) => fs::rename(&public, path.with_extension("pub")).map_err(wrong)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // One whose public half was never written is told from the private one.
            if !path.with_extension("pub").exists() {
                fs::rename(&new, &path).map_err(wrong)?;
                fs::rename(&public, path.with_extension("pub")).map_err(wrong)?;
            }
        }
        Err(error) => return Err(wrong(error)),
    }
    for left in [new, public] {
        if let Err(error) = fs::remove_file(&left)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%error, "a key that was not needed is still there");
        }
    }
    Ok(path)
}

/// The public keys that servers of this machine are known by, a line each.
pub(super) fn host_keys(paths: &Paths) -> Result<String, KeyError> {
    let path = host_key(paths)?.with_extension("pub");
    fs::read_to_string(&path).map_err(|source| KeyError::Read { path, source })
}

/// Takes all of it away, with the machine.
pub(crate) fn forget(paths: &Paths) -> io::Result<()> {
    crate::paths::remove(&paths.ssh())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPAxaOCGQkPsDZPXTZVRpIoQYKb/SOxzqWFQUTWLRr7S ann";

    fn paths(root: &Path) -> Paths {
        Paths { juju: root.join("j"), muster: root.join("m"), logs: root.join("l"), programs: None }
    }

    #[test]
    fn the_keys_are_written_whole_and_taken_away_whole() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(folder.path());
        let key: SshKey = KEY.parse().unwrap();
        write_authorized(&paths, &[]).unwrap();
        write_authorized(&paths, std::slice::from_ref(&key)).unwrap();
        let text = fs::read_to_string(authorized(&paths)).unwrap();
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), [KEY]);
        let mode = fs::metadata(authorized(&paths)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "the server reads it as whoever logs in");
        write_authorized(&paths, &[]).unwrap();
        assert!(!authorized(&paths).exists());
        forget(&paths).unwrap();
        assert!(!paths.ssh().exists());
    }

    #[test]
    fn the_host_key_is_made_once_and_no_two_connections_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(folder.path());
        let first = host_keys(&paths).unwrap();
        assert!(first.starts_with("ssh-ed25519 "), "{first}");
        assert_eq!(host_keys(&paths).unwrap(), first);
        let mode = fs::metadata(paths.ssh().join("host_key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (_, one) = server(&paths, KEY).unwrap();
        let (words, other) = server(&paths, KEY).unwrap();
        let named = |own: &Temporary| {
            let own = own.0.display().to_string();
            words.iter().any(|word| word.to_string_lossy().contains(&own))
        };
        assert!(named(&other) && !named(&one));
        let path = one.0.clone();
        drop(one);
        assert!(!path.exists() && other.0.exists());
        assert!(matches!(server(&paths, "command=\"x\" ssh-rsa A"), Err(KeyError::Key(_))));
        let names: Vec<_> = fs::read_dir(paths.ssh()).unwrap().flatten().collect();
        assert_eq!(names.len(), 3, "two halves of the host key and one connection: {names:?}");
        // As if the agent was killed.
        std::mem::forget(other);
        sweep(&paths);
        assert_eq!(fs::read_dir(paths.ssh()).unwrap().count(), 2);
    }
}

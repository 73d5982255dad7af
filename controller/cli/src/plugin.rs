//! Programs called `muster-<word>` or `juju-<word>` on the PATH are commands, too (CLI contract
//! §1.4). They get the words as they are, and the controller and model in their environment.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use muster_console::outcome::FAILED;

use crate::context;
use crate::desk::Desk;

/// Runs the plugin that the first word calls, if there is one; the answer is its exit code.
pub(crate) fn run(desk: &mut Desk, words: &[String]) -> Option<u8> {
    let (word, rest) = words.split_first()?;
    if word.is_empty() || word.contains('/') || word.starts_with('-') {
        return None;
    }
    let program = find(desk, word)?;
    let mut command = Command::new(&program);
    command.args(rest);
    // What is current is told, where it is known; a plugin may do without.
    if let Ok(store) = context::store(desk)
        && let Ok(contents) = store.read()
        && let Ok(chosen) = context::controller(desk, &contents, None)
    {
        if let Some(model) =
            contents.models.controllers.get(&chosen.name).and_then(|m| m.current.as_ref())
        {
            command.env("JUJU_MODEL", format!("{}:{model}", chosen.name));
        }
        command.env("JUJU_CONTROLLER", chosen.name);
    }
    match command.status() {
        Ok(status) => {
            Some(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED))
        }
        Err(error) => {
            desk.error(&format!("cannot run `{}`: {error}", program.display()));
            Some(FAILED)
        }
    }
}

fn find(desk: &Desk, word: &str) -> Option<PathBuf> {
    let folders = desk.var("PATH")?.split(':').filter(|folder| folder.starts_with('/'));
    let names = [format!("muster-{word}"), format!("juju-{word}")];
    let paths =
        folders.flat_map(|folder| names.iter().map(move |name| PathBuf::from(folder).join(name)));
    let runs = |path: &PathBuf| {
        std::fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    paths.into_iter().find(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_exit_code_is_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("juju-seven");
        std::fs::write(&path, "#!/bin/sh\n[ \"$1\" = a ] && exit 7\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut desk = Desk::new(Box::new(std::io::sink()), Box::new(std::io::sink()));
        desk.env.insert("PATH".to_owned(), folder.path().display().to_string());
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(run(&mut desk, &words("seven a")), Some(7));
        assert_eq!(run(&mut desk, &words("seven b")), Some(1));
        assert_eq!(run(&mut desk, &words("eight")), None);
        assert_eq!(run(&mut desk, &words("../juju-seven")), None);
    }
}

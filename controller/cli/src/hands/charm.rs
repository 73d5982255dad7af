//! Charms on this side: composed from layers, packed, checked.

use std::path::{Path, PathBuf};

use muster_charms::lint::{Level, lint};
use muster_charms::{Charm, Tree};
use muster_layers::{Library, Settings, candidates, compose};
use muster_resources::archive::{self, Limits};

use super::tree;
use crate::commands::charm::{Charm as Act, Verb};
use crate::desk::Desk;
use crate::failure::Failure;

/// The file that a composition leaves behind; a folder with layers and without it is a source.
const COMPOSED: &str = ".build.manifest";

/// Findings that are told one by one when a charm is deployed.
const SHOWN: usize = 3;

/// Folders in which layers are looked for, the first that has one wins.
struct Shelf(Vec<PathBuf>);

impl Library for Shelf {
    fn layer(&self, include: &str) -> Option<Tree> {
        let names = candidates(include);
        let folders =
            self.0.iter().flat_map(|shelf| names.iter().map(move |name| shelf.join(name)));
        let mut there = folders.filter(|folder| folder.is_dir());
        // A layer that cannot be read is as good as none: the composition names what is missing.
        there.find_map(|folder| tree::read(&folder).ok())
    }
}

/// Where layers are looked for: the folders named, `MUSTER_LAYERS` and `CHARM_LAYERS_DIR`, and a
/// folder `layers` in or above the charm's.
fn shelf(desk: &Desk, folder: &Path, named: &[String]) -> Shelf {
    let mut all: Vec<PathBuf> = named.iter().map(|typed| desk.path(typed)).collect();
    for variable in ["MUSTER_LAYERS", "CHARM_LAYERS_DIR", "CHARM_INTERFACES_DIR"] {
        all.extend(
            desk.var(variable).into_iter().flat_map(|list| list.split(':')).map(PathBuf::from),
        );
    }
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    all.extend(whole.ancestors().take(4).map(|above| above.join("layers")).filter(|l| l.is_dir()));
    all.push(PathBuf::from("/usr/share/muster/layers"));
    Shelf(all)
}

/// Whether a folder has to be composed before it is a charm.
pub(super) fn is_source(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    (has("layer.yaml") || has("composer.yaml")) && !has(COMPOSED)
}

/// Composes the charm in `folder`.
pub(super) fn composed(desk: &mut Desk, folder: &Path, layers: &[String]) -> Result<Tree, Failure> {
    let trying = format!("cannot compose `{}`", folder.display());
    let top = tree::read(folder).map_err(|failure| failure.while_trying(&trying))?;
    let name = folder.canonicalize().ok();
    let name = name.as_deref().unwrap_or(folder).file_name();
    let settings = Settings {
        folder: name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        ..Settings::default()
    };
    let shelf = shelf(desk, folder, layers);
    let done = compose(&top, &shelf, &settings).map_err(|error| {
        let places: Vec<String> = shelf.0.iter().map(|p| p.display().to_string()).collect();
        Failure::tried(&trying, &error)
            .hint(format!("Layers are looked for in {}.", places.join(", ")))
    })?;
    for warning in &done.warnings {
        desk.warn(&warning.to_string());
    }
    desk.detail(&format!("composed {} of {}", done.name, done.layers.join(", ")));
    Ok(done.tree)
}

pub(super) fn charm(desk: &mut Desk, act: &Act) -> Result<(), Failure> {
    let folder = desk.path(&act.folder);
    match act.verb {
        Verb::Build => build(desk, act, &folder),
        Verb::Pack => {
            let name = read(&folder)?.metadata.name;
            let to = act.output.clone().unwrap_or_else(|| format!("{name}.charm"));
            pack(desk, &folder, &to)
        }
        Verb::Lint => check(desk, act, &folder),
    }
}

fn build(desk: &mut Desk, act: &Act, folder: &Path) -> Result<(), Failure> {
    let tree = composed(desk, folder, &act.layers)?;
    let charm = Charm::read(&tree).map_err(|error| {
        Failure::tried(format!("cannot compose `{}`", folder.display()), &error)
    })?;
    let name = charm.metadata.name;
    let output = act.output.clone().unwrap_or_else(|| format!("{name}.charm"));
    if !output.ends_with(".charm") {
        let to = desk.path(&output);
        tree::write(&tree, &to)?;
        return desk.data(&format!("{}\n", to.display()));
    }
    let scratch = Scratch::new()?;
    tree::write(&tree, &scratch.0)?;
    pack(desk, &scratch.0, &output)
}

fn pack(desk: &mut Desk, folder: &Path, output: &str) -> Result<(), Failure> {
    let to = desk.path(output);
    let packed = archive::pack(folder, &to, &Limits::charm())
        .map_err(|error| Failure::tried(format!("cannot pack `{}`", folder.display()), &error))?;
    desk.detail(&format!("{} bytes, {}", packed.bytes, packed.digest));
    desk.data(&format!("{}\n", to.display()))
}

fn read(folder: &Path) -> Result<Charm, Failure> {
    let tree = tree::read(folder)?;
    Charm::read(&tree).map_err(|error| {
        Failure::tried(format!("cannot read charm `{}`", folder.display()), &error)
    })
}

/// Says everything there is to say about a charm; fails if something in it cannot work.
fn check(desk: &mut Desk, act: &Act, folder: &Path) -> Result<(), Failure> {
    let tree =
        if is_source(folder) { composed(desk, folder, &act.layers)? } else { tree::read(folder)? };
    let remarks = lint(&tree);
    let mut text = String::new();
    for remark in &remarks {
        text.push_str(&format!("{remark}\n   {}\n", remark.finding.way_out()));
    }
    desk.data(&text)?;
    let errors = remarks.iter().filter(|remark| remark.level() == Level::Error).count();
    if errors > 0 {
        return Err(Failure::new(format!(
            "`{}` is no charm that works: {errors} error(s)",
            folder.display()
        )));
    }
    let warnings = remarks.iter().filter(|remark| remark.level() == Level::Warning).count();
    desk.say(&format!("`{}` is a charm, with {warnings} warning(s)", folder.display()));
    Ok(())
}

/// What of a charm's folder is worth a word when it is deployed: what cannot work, and that there is
/// more to read.
pub(super) fn warn(desk: &mut Desk, tree: &Tree, folder: &Path) {
    let remarks = lint(tree);
    let (errors, rest): (Vec<_>, Vec<_>) =
        remarks.iter().partition(|remark| remark.level() == Level::Error);
    for remark in errors.iter().take(SHOWN) {
        desk.warn(&format!("{remark}; {}", remark.finding.way_out()));
    }
    let warnings = rest.iter().filter(|remark| remark.level() == Level::Warning).count();
    let more = warnings + errors.len().saturating_sub(SHOWN);
    if more > 0 {
        desk.warn(&format!(
            "{more} thing(s) about this charm are worth a look: `muster charm lint {}`",
            folder.display()
        ));
    }
}

/// A folder of this process alone, removed when it goes.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Scratch, Failure> {
        let path = std::env::temp_dir().join(format!("muster-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path)
            .map_err(|error| Failure::tried(format!("cannot make `{}`", path.display()), &error))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "a scratch folder stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn desk() -> (Desk, Kept, Kept) {
        let (out, err) = (Kept::default(), Kept::default());
        (Desk::new(Box::new(out.clone()), Box::new(err.clone())), out, err)
    }

    #[test]
    fn what_is_found_is_said_with_its_place_and_the_way_out_and_errors_fail() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("metadata.yaml", "name: wiki\nsummary: s\ndescription: d\nmaintainer: me\n");
        write("dispatch", "");
        let act = Act {
            verb: Verb::Lint,
            folder: folder.path().display().to_string(),
            output: None,
            layers: Vec::new(),
        };
        let (mut desk, out, _) = desk();
        let failed = charm(&mut desk, &act).unwrap_err();
        assert!(failed.to_string().contains("1 error(s)"), "{failed}");
        let said = out.text();
        for line in [
            "E: dispatch: executable: dispatch is not executable\n   chmod +x dispatch\n",
            "W: metadata.yaml:4: maintainer: maintainer \"me\" is not `Name <mail>`\n",
        ] {
            assert!(said.contains(line), "{said}");
        }
        // When it is deployed the error is told, and of the rest that there is some.
        let (mut desk, _, err) = self::desk();
        warn(&mut desk, &tree::outline(folder.path()).unwrap(), folder.path());
        let said = err.text();
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.starts_with("WARNING E: dispatch: executable"), "{said}");
        assert!(said.contains("`muster charm lint "), "{said}");
        // Nothing but warnings is no failure.
        write("hooks/install", "");
        std::fs::remove_file(folder.path().join("dispatch")).unwrap();
        charm(&mut desk, &act).unwrap();
    }
}

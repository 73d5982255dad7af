//! Charms on this side: composed from layers, packed, checked.

use std::path::{Path, PathBuf};

use muster_charms::lint::{Level, lint};
use muster_charms::{Charm, Tree, split};
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

/// A charm's folder as it is packed: as it lies there, or made of what lies there.
pub(super) struct Source {
    /// What it has. Where nothing was made, only its own small files are read.
    pub(super) tree: Tree,
    folder: PathBuf,
    /// Where the charm was made; removed when this goes.
    made: Option<Scratch>,
}

impl Source {
    /// Where the files lie that are packed.
    pub(super) fn path(&self) -> &Path {
        self.made.as_ref().map_or(&self.folder, |scratch| &scratch.0)
    }

    fn charm(&self) -> Result<Charm, Failure> {
        Charm::read(&self.tree).map_err(|error| {
            Failure::tried(format!("cannot read charm `{}`", self.folder.display()), &error)
        })
    }
}

/// The charm that `folder` is or stands for: composed of its layers where it is a source of them, then
/// split where it has a build file. All that packs, reads or checks a folder comes through here.
pub(super) fn source(desk: &mut Desk, folder: &Path, layers: &[String]) -> Result<Source, Failure> {
    let trying = format!("cannot split `{}`", folder.display());
    let composed = if is_source(folder) { Some(composed(desk, folder, layers)?) } else { None };
    let is_composed = composed.is_some();
    let mut tree = match composed {
        Some(tree) => tree,
        None => tree::outline(folder)?,
    };
    let split_too = split::is_needed(&tree);
    if split_too {
        if !is_composed {
            tree = tree::read(folder).map_err(|failure| failure.while_trying(&trying))?;
        }
        let done = split::split(&tree).map_err(|error| Failure::tried(&trying, &error))?;
        // What the plugin of layers would do is done.
        let is_done = |undone: &split::Undone| is_composed && undone.plugin == "reactive";
        for undone in done.undone.iter().filter(|undone| !is_done(undone)) {
            desk.warn(&format!("{}: {undone}", split::BUILD_FILE));
        }
        tree = done.tree;
    }
    let made = if is_composed || split_too {
        let scratch = Scratch::new()?;
        tree::write(&tree, &scratch.0)?;
        Some(scratch)
    } else {
        None
    };
    Ok(Source { tree, folder: folder.to_owned(), made })
}

/// Whether a folder has to be composed before it is a charm.
fn is_source(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    (has("layer.yaml") || has("composer.yaml")) && !has(COMPOSED)
}

/// Composes the charm in `folder`.
fn composed(desk: &mut Desk, folder: &Path, layers: &[String]) -> Result<Tree, Failure> {
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
            let source = source(desk, &folder, &act.layers)?;
            let name = source.charm()?.metadata.name;
            let to = act.output.clone().unwrap_or_else(|| format!("{name}.charm"));
            pack(desk, source.path(), &folder, &to)
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
    pack(desk, &scratch.0, folder, &output)
}

/// Packs what lies at `from`, which is or was made of `folder`.
fn pack(desk: &mut Desk, from: &Path, folder: &Path, output: &str) -> Result<(), Failure> {
    let to = desk.path(output);
    let packed = archive::pack(from, &to, &Limits::charm())
        .map_err(|error| Failure::tried(format!("cannot pack `{}`", folder.display()), &error))?;
    desk.detail(&format!("{} bytes, {}", packed.bytes, packed.digest));
    desk.data(&format!("{}\n", to.display()))
}

/// Says everything there is to say about a charm; fails if something in it cannot work.
fn check(desk: &mut Desk, act: &Act, folder: &Path) -> Result<(), Failure> {
    let remarks = lint(&source(desk, folder, &act.layers)?.tree);
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
        let there = source(&mut desk, folder.path(), &[]).unwrap();
        assert_eq!(there.path(), folder.path(), "what is a charm is packed from where it lies");
        warn(&mut desk, &there.tree, folder.path());
        let said = err.text();
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.starts_with("WARNING E: dispatch: executable"), "{said}");
        assert!(said.contains("`muster charm lint "), "{said}");
        // Nothing but warnings is no failure.
        write("hooks/install", "");
        write("revision", "7\n");
        std::fs::remove_file(folder.path().join("dispatch")).unwrap();
        charm(&mut desk, &act).unwrap();
    }

    const BUILD: &str = "name: wiki\nsummary: s\ndescription: d\nbase: debian@12\n\
        platforms: {amd64: }\nparts: {charm: {plugin: charm, source: .}}\n\
        config: {options: {port: {type: int, default: 80}}}\nactions: {backup: {}}\n";

    /// Hook contract C18.
    #[test]
    fn c18_a_folder_with_a_build_file_is_split_before_it_is_packed_or_checked() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("src")).unwrap();
        std::fs::create_dir_all(path("lib")).unwrap();
        for (name, text, mode) in [
            ("charmcraft.yaml", BUILD, 0o644),
            ("src/charm.py", "#!/usr/bin/env python3\n", 0o775),
            ("lib/key.pem", "k", 0o600),
        ] {
            std::fs::write(path(name), text).unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path(name), mode).unwrap();
        }
        let (mut desk, _, err) = desk();
        let made = source(&mut desk, folder.path(), &[]).unwrap();
        assert_eq!(
            err.text(),
            "WARNING charmcraft.yaml: part `charm` (plugin charm) is not carried out: the charm must \
             bring what it would install\n"
        );
        let of = |verb, output: Option<String>| Act {
            verb,
            folder: folder.path().display().to_string(),
            output,
            layers: Vec::new(),
        };
        // What deploy sends is what `charm pack` writes.
        let (sent, packed) = (path("sent"), path("packed.charm"));
        let digest = archive::pack(made.path(), &sent, &Limits::charm()).unwrap().digest;
        std::fs::remove_file(&sent).unwrap();
        charm(&mut desk, &of(Verb::Pack, Some(packed.display().to_string()))).unwrap();
        let all = archive::read_files(&packed, &Limits::charm(), |_| true).unwrap();
        assert_eq!(digest, muster_resources::Digest::of(&std::fs::read(&packed).unwrap()));
        std::fs::remove_file(&packed).unwrap();
        let read = Charm::read(&all).unwrap();
        assert_eq!(read.bases[0].to_string(), "debian@12/stable");
        assert!(read.options.contains_key("port") && read.actions.contains_key("backup"));
        assert!(!all.contains_key("charmcraft.yaml"));
        let mode = |name: &str| {
            std::fs::metadata(made.path().join(name)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!(["dispatch", "src/charm.py", "lib/key.pem"].map(mode), [0o755, 0o775, 0o600]);
        charm(&mut desk, &of(Verb::Lint, None)).unwrap();
        // The scratch folder goes with what was made in it.
        let scratch = made.path().to_owned();
        drop(made);
        assert!(!scratch.exists());
        // A build file that says what another file says is refused in words.
        std::fs::write(path("config.yaml"), "options: {}\n").unwrap();
        let refused = source(&mut desk, folder.path(), &[]).err().unwrap().to_string();
        assert!(refused.contains("both charmcraft.yaml and config.yaml say this"), "{refused}");
    }
}

//! The charms that are measured: their hooks do nothing but say when they began.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{MeasureError, io_error};
use crate::call::Call;

/// What all programs of the charms are.
const SOURCE: &str = include_str!("bench.c");

/// Any option, so that there is something to change.
const CONFIG: &str =
    "options:\n  x:\n    type: string\n    default: \"\"\n    description: Anything.\n";

/// `config-changed` of `setter`: sets a relation's value and says when it was over.
const SET: &str = "#!/bin/bash\nset -e\nid=$(relation-ids out)\n\
     [ -z \"$id\" ] || relation-set -r \"$id\" \"x=$(config-get x)\"\nexec \"$CHARM_DIR/set\"\n";

/// `config-changed` of `runner`: starts what the option says, so often as it says, and leaves the
/// times. The option is `ROUND COUNT PROGRAM…`, and empty at first.
const RUN: &str = "#!/bin/bash\nset -e\nread -r round count program <<< \"$(config-get x)\"\n\
     [ -n \"$round\" ] || exit 0\n\
     case $program in\n\
     tools) program=(bash -c 'for i in {1..20}; do v=$(config-get x); done') ;;\n\
     true) program=(bash -c 'for i in {1..20}; do v=$(/bin/true); done') ;;\n\
     nothing) program=(\"$CHARM_DIR/nothing\") ;;\n\
     *) program=($program) ;;\n\
     esac\n\
     \"$CHARM_DIR/race\" \"$count\" \"${program[@]}\" > '@TIMES@.new'\n\
     mv '@TIMES@.new' \"@TIMES@.$round\"\n";

/// A charm to measure with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A static `config-changed` and a static `in-relation-changed`, which stamp.
    Plain,
    /// A `config-changed` in bash that sets a relation's value.
    Setter,
    /// A `config-changed` in bash that does nothing.
    Empty,
    /// A `config-changed` that races what the option says.
    Runner,
    /// No hook at all: every one succeeds at once.
    Hookless,
}

impl Kind {
    /// What the charm is called.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Setter => "setter",
            Kind::Empty => "empty",
            Kind::Runner => "runner",
            Kind::Hookless => "hookless",
        }
    }
}

/// Where the charms lie, and what their programs write.
#[derive(Clone, Debug)]
pub struct Workshop {
    folder: PathBuf,
}

impl Workshop {
    /// Compiles the charms' program into `folder`.
    pub fn open(folder: &Path) -> Result<Self, MeasureError> {
        let folder = folder.join("charms");
        fs::create_dir_all(&folder).map_err(io_error("make a folder"))?;
        let workshop = Self { folder };
        let source = workshop.folder.join("bench.c");
        fs::write(&source, SOURCE).map_err(io_error("write a source"))?;
        let stamps = format!("-DSTAMPS=\"{}\"", workshop.stamps().display());
        Call::new("cc")
            .args(["-static", "-O2", &stamps, "-o"])
            .arg(workshop.program())
            .arg(&source)
            .run()?;
        Ok(workshop)
    }

    /// Where hooks write when they began.
    pub fn stamps(&self) -> PathBuf {
        self.folder.join("stamps")
    }

    /// Where the times of a race are.
    pub fn times(&self, round: u64) -> PathBuf {
        self.folder.join(format!("times.{round}"))
    }

    fn program(&self) -> PathBuf {
        self.folder.join("bench")
    }

    /// Writes a charm and gives its folder.
    pub fn write(&self, kind: Kind) -> Result<PathBuf, MeasureError> {
        let name = kind.name();
        let home = self.folder.join(name);
        let wrong = || io_error("write a charm");
        fs::create_dir_all(home.join("hooks")).map_err(wrong())?;
        let relation = match kind {
            Kind::Plain => "requires:\n  in:\n    interface: bench\n",
            Kind::Setter => "provides:\n  out:\n    interface: bench\n",
            Kind::Empty | Kind::Runner | Kind::Hookless => "",
        };
        let metadata = format!(
            "name: {name}\nsummary: For measuring.\ndescription: Says when its hooks begin.\n{relation}"
        );
        fs::write(home.join("metadata.yaml"), metadata).map_err(wrong())?;
        fs::write(home.join("config.yaml"), CONFIG).map_err(wrong())?;
        if kind == Kind::Hookless {
            return Ok(home);
        }
        fs::copy(self.program(), home.join("race")).map_err(wrong())?;
        for other in ["nothing", "set"] {
            let link = home.join(other);
            if !link.exists() {
                symlink("race", link).map_err(wrong())?;
            }
        }
        let changed = home.join("hooks/config-changed");
        match kind {
            Kind::Plain => {
                for hook in ["config-changed", "in-relation-changed"] {
                    fs::copy(self.program(), home.join("hooks").join(hook)).map_err(wrong())?;
                }
                return Ok(home);
            }
            Kind::Setter => fs::write(&changed, SET).map_err(wrong())?,
            Kind::Runner => {
                let times = self.folder.join("times");
                let script = RUN.replace("@TIMES@", &times.to_string_lossy());
                fs::write(&changed, script).map_err(wrong())?;
            }
            Kind::Empty | Kind::Hookless => {
                fs::write(&changed, "#!/bin/bash\n").map_err(wrong())?;
            }
        }
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&changed, executable).map_err(wrong())?;
        Ok(home)
    }
}

/// A line of the stamps: which program of which unit began, and when by the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The unit.
    pub unit: String,
    /// The program's name: the hook's.
    pub name: String,
    /// Nanoseconds.
    pub at: u64,
}

/// The stamps of a file. A line that is being written counts when it is whole.
pub fn stamps(text: &str) -> Vec<Stamp> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let stamp = |line: &str| {
        let mut words = line.split(' ');
        let (unit, name, at) = (words.next()?, words.next()?, words.next()?);
        let at = at.parse().ok()?;
        Some(Stamp { unit: unit.to_owned(), name: name.to_owned(), at })
    };
    whole.lines().filter_map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charms_have_the_hooks_that_are_measured_and_no_others() {
        let home = tempfile::tempdir().unwrap();
        let workshop = Workshop::open(home.path()).unwrap();
        let hooks = |kind| {
            let folder = workshop.write(kind).unwrap().join("hooks");
            fs::read_dir(folder).unwrap().count()
        };
        assert_eq!(hooks(Kind::Plain), 2);
        assert_eq!(hooks(Kind::Setter), 1);
        assert_eq!(hooks(Kind::Hookless), 0);
        let script = workshop.write(Kind::Runner).unwrap().join("hooks/config-changed");
        let mode = fs::metadata(&script).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
        assert!(!fs::read_to_string(script).unwrap().contains("@TIMES@"));
    }

    #[test]
    fn stamps_are_read_line_by_line() {
        let read = stamps("a/0 config-changed 12\na/1 torn li\na/0 set 34\nb/0 set 5");
        assert_eq!(read.len(), 2);
        let last = Stamp { unit: "a/0".to_owned(), name: "set".to_owned(), at: 34 };
        assert_eq!(read[1], last);
    }
}

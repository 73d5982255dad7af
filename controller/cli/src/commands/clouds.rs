//! Clouds, as this person and the controllers know them.

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::name::CloudName;

use super::Entry;
use super::common::{CONTROLLER, GLOBAL, OUTPUT, TABULAR, YAML, need, rule};
use crate::act::Act;

/// Whose clouds and credentials are meant: this client's, the controller's, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// `--client`.
    pub client: bool,
    /// `--controller`.
    pub controller: bool,
}

/// Which clouds are shown, and how.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// All.
    Clouds,
    /// One, in full.
    Cloud(CloudName),
    /// The regions of one.
    Regions(CloudName),
}

/// `clouds`, `show-cloud` and `regions`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowClouds {
    /// Which.
    pub what: Shown,
    /// Whose.
    pub whose: Whose,
    /// Also those that everybody knows and nobody here logs in to.
    pub all: bool,
    /// With how it is set.
    pub with_config: bool,
}

/// `add-cloud` and `update-cloud`.
#[derive(Clone, Debug, PartialEq)]
pub struct PutCloud {
    /// Its name.
    pub name: CloudName,
    /// The file that says what it is; none: what the client knows of it.
    pub file: Option<String>,
    /// A credential of the client's to go with it.
    pub credential: Option<CloudName>,
    /// Whose.
    pub whose: Whose,
    /// Also if it is there already.
    pub force: bool,
    /// Whether it must be there already.
    pub update: bool,
}

/// `remove-cloud`.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoveCloud {
    /// Which.
    pub name: CloudName,
    /// Whose.
    pub whose: Whose,
}

/// `default-region` and `default-credential`.
#[derive(Clone, Debug, PartialEq)]
pub struct Usual {
    /// Of which cloud.
    pub cloud: CloudName,
    /// What it is from now on; none shows it.
    pub to: Option<String>,
    /// Whether it is forgotten.
    pub reset: bool,
    /// Whether it is the credential, and not the region.
    pub credential: bool,
}

/// `--client`, where it may stand.
pub(super) const CLIENT: &[Flag] =
    &[Flag::switch(&["client"], "What this client knows, and no controller.")];

/// `--file`, in both forms.
pub(super) const FILE: &[Flag] = &[Flag::value(&["file", "f"], "FILE", "The YAML file.")];

const PUT: &[Flag] = &[
    Flag::value(&["credential"], "NAME", "A credential of the client's to go with it."),
    Flag::switch(&["force"], "Also if it is there already."),
    Flag::value(&["target-controller"], "NAME", "Another name of --controller."),
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["all"], "Also those that everybody knows.")],
                CLIENT,
                OUTPUT,
                CONTROLLER,
                GLOBAL,
            ],
            details: "Machines are made on the controller's own cloud; others are kept for scripts that keep them here.",
            examples: &["clouds", "clouds --all --format json"],
            ..Usage::of("clouds", "", "List clouds.")
        },
        aliases: &["list-clouds"],
        formats: TABULAR,
        read: clouds,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["include-config"], "With how it is set.")],
                CLIENT,
                OUTPUT,
                CONTROLLER,
                GLOBAL,
            ],
            examples: &["show-cloud localhost", "show-cloud --client mine --format json"],
            ..Usage::of("show-cloud", "<cloud>", "Show a cloud.")
        },
        aliases: &[],
        formats: YAML,
        read: show_cloud,
    },
    Entry {
        usage: Usage {
            flags: &[CLIENT, OUTPUT, CONTROLLER, GLOBAL],
            examples: &["regions localhost"],
            ..Usage::of("regions", "<cloud>", "List a cloud's regions.")
        },
        aliases: &["list-regions"],
        formats: TABULAR,
        read: regions,
    },
    Entry {
        usage: Usage {
            flags: &[PUT, FILE, CLIENT, CONTROLLER, GLOBAL],
            details: "\
The file holds the definition itself, or \"clouds:\" with it under its name. With neither --client nor
--controller it is kept by the client, and by the current controller if there is one.",
            examples: &["add-cloud mine --file mine.yaml --client", "add-cloud mine ./mine.yaml"],
            ..Usage::of("add-cloud", "<cloud> [<file>]", "Write down a cloud.")
        },
        aliases: &[],
        formats: &[],
        read: add_cloud,
    },
    Entry {
        usage: Usage {
            flags: &[PUT, FILE, CLIENT, CONTROLLER, GLOBAL],
            details: "Without a file the controller is told what the client knows.",
            examples: &["update-cloud mine -f mine.yaml --client"],
            ..Usage::of("update-cloud", "<cloud>", "Change what is written down of a cloud.")
        },
        aliases: &[],
        formats: &[],
        read: update_cloud,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::value(&["target-controller"], "NAME", "Another name of --controller.")],
                CLIENT,
                CONTROLLER,
                GLOBAL,
            ],
            examples: &["remove-cloud mine --client"],
            ..Usage::of("remove-cloud", "<cloud>", "Forget a cloud.")
        },
        aliases: &[],
        formats: &[],
        read: remove_cloud,
    },
    Entry {
        usage: Usage {
            flags: &[&[Flag::switch(&["reset"], "Forget it.")], CLIENT, GLOBAL],
            examples: &["default-region mine north", "default-region mine --reset"],
            ..Usage::of(
                "default-region",
                "<cloud> [<region>]",
                "Show or set the region that is meant where none is named.",
            )
        },
        aliases: &["set-default-region"],
        formats: &[],
        read: default_region,
    },
];

/// What `--client` and `--controller` say. With neither, both are meant.
pub(super) fn whose(line: &Line) -> Whose {
    let controller = line.has("controller") || line.has("target-controller");
    match (line.on("client"), controller) {
        (false, false) => Whose { client: true, controller: true },
        (client, controller) => Whose { client, controller },
    }
}

fn clouds(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    let (what, whose) = (Shown::Clouds, whose(line));
    Ok(Act::ShowClouds(ShowClouds { what, whose, all: line.on("all"), with_config: false }))
}

fn one(line: &Line, what: fn(CloudName) -> Shown, with_config: bool) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let what = what(need(line, 0, "cloud")?);
    Ok(Act::ShowClouds(ShowClouds { what, whose: whose(line), all: true, with_config }))
}

fn show_cloud(line: &Line) -> Result<Act, UsageError> {
    one(line, Shown::Cloud, line.on("include-config"))
}

fn regions(line: &Line) -> Result<Act, UsageError> {
    one(line, Shown::Regions, false)
}

fn put(line: &Line, update: bool) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let file = match (line.word(1), line.last("file")) {
        (Some(_), Some(_)) => {
            return Err(rule("cannot specify the file as an argument and with --file"));
        }
        (one, other) => one.or(other).map(str::to_owned),
    };
    Ok(Act::PutCloud(PutCloud {
        name: need(line, 0, "cloud")?,
        file,
        credential: line.parsed("credential")?,
        whose: whose(line),
        force: line.on("force"),
        update,
    }))
}

fn add_cloud(line: &Line) -> Result<Act, UsageError> {
    put(line, false)
}

fn update_cloud(line: &Line) -> Result<Act, UsageError> {
    put(line, true)
}

fn remove_cloud(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    Ok(Act::RemoveCloud(RemoveCloud { name: need(line, 0, "cloud")?, whose: whose(line) }))
}

/// `default-region` and `default-credential`.
pub(super) fn default(line: &Line, credential: bool) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let to = line.word(1).map(str::to_owned);
    let reset = line.on("reset");
    if reset && to.is_some() {
        return Err(rule("cannot specify a value and --reset"));
    }
    Ok(Act::Usual(Usual { cloud: need(line, 0, "cloud")?, to, reset, credential }))
}

fn default_region(line: &Line) -> Result<Act, UsageError> {
    default(line, false)
}

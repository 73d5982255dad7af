//! Deploying charms and bundles, and refreshing them.

use std::collections::BTreeMap;

use muster_charms::{Base, StorageDirective};
use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::constraints::Constraints;
use muster_model::name::{
    ApplicationName, EndpointName, OptionName, ResourceName, StorageId, StorageName,
};
use muster_model::record::Placement;

use super::Entry;
use super::common::{
    DRY_RUN, GLOBAL, MODEL, base, constraints, listed, need, pair, parse, placements, rule,
};
use super::units::count;
use crate::act::Act;

/// One use of `--config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `key=value`, or `key=@file`.
    Value(OptionName, String),
    /// A YAML file whose top level is the application.
    File(String),
}

/// `deploy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Deploy {
    /// A path, or a name in the store.
    pub source: String,
    /// What to call it; none is the charm's own name.
    pub application: Option<ApplicationName>,
    /// How many units; none is one, and none at all for a subordinate.
    pub units: Option<u32>,
    /// Where they go.
    pub placements: Vec<Placement>,
    /// Options, later ones over earlier ones.
    pub config: Vec<Setting>,
    /// What its machines must have.
    pub constraints: Constraints,
    /// What runs on them.
    pub base: Option<Base>,
    /// How each storage is made.
    pub storage: BTreeMap<StorageName, StorageDirective>,
    /// For bundles: the same, for an application.
    pub storage_of: BTreeMap<(ApplicationName, StorageName), StorageDirective>,
    /// Kept storage for its one unit.
    pub attach_storage: Vec<StorageId>,
    /// Files, by resource.
    pub resources: BTreeMap<ResourceName, String>,
    /// Spaces, by endpoint; the empty one is the default.
    pub bindings: BTreeMap<Option<EndpointName>, String>,
    /// From where in the store.
    pub channel: Option<String>,
    /// Which revision in the store.
    pub revision: Option<u32>,
    /// Whether it may use the cloud's credentials.
    pub trust: bool,
    /// Also on a base that the charm does not name.
    pub force: bool,
    /// For bundles: files laid over it.
    pub overlays: Vec<String>,
    /// For bundles: machines to use again.
    pub map_machines: Option<String>,
    /// Show what would be done and change nothing.
    pub dry_run: bool,
    /// Flags that fit charms only and were given, for the complaint about a bundle.
    pub charm_only: Vec<&'static str>,
}

impl Deploy {
    /// Whether the source is a path and not a name in the store (§2.5).
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.source.starts_with(['.', '/', '~'])
            || self.source.ends_with(".charm")
            || self.source.ends_with(".yaml")
    }
}

/// `refresh`.
#[derive(Clone, Debug, PartialEq)]
pub struct Refresh {
    /// The application.
    pub application: ApplicationName,
    /// A path.
    pub path: Option<String>,
    /// A name in the store.
    pub switch: Option<String>,
    /// From where in the store.
    pub channel: Option<String>,
    /// Which revision.
    pub revision: Option<u32>,
    /// Options, later ones over earlier ones.
    pub config: Vec<Setting>,
    /// How storage that is new in the charm is made.
    pub storage: BTreeMap<StorageName, StorageDirective>,
    /// Files, by resource.
    pub resources: BTreeMap<ResourceName, String>,
    /// Also to units in error.
    pub force_units: bool,
    /// Also to a base that the charm does not name.
    pub force_base: bool,
    /// What runs on machines that are made from now on.
    pub base: Option<Base>,
    /// Spaces, by endpoint; the empty one is the default.
    pub bindings: BTreeMap<Option<EndpointName>, String>,
    /// Whether it may use the cloud's credentials.
    pub trust: Option<bool>,
}

const STORE: &[Flag] = &[
    Flag::value(&["channel"], "CHANNEL", "For charms of a store: from where."),
    Flag::value(&["revision"], "N", "For charms of a store: which revision."),
];

const CONTENTS: &[Flag] = &[
    Flag::list(&["config"], "KEY=VALUE|FILE", "Set an option, or those of a YAML file."),
    Flag::list(&["storage"], "NAME=DIRECTIVE", "How a storage is made: any of pool,count,size."),
    Flag::list(&["resource"], "NAME=FILE", "Give the charm a file."),
    Flag::switch(&["trust"], "Let it use the cloud's credentials."),
    Flag::switch(&["force"], "Also on a base that the charm does not name."),
    Flag::value(&["base"], "NAME@CHANNEL", "The operating system of its machines."),
    Flag::value(&["series"], "NAME", "Older name of a base."),
    Flag::value(&["bind"], "[ENDPOINT=]SPACE …", "Spaces; there is one, \"alpha\"."),
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["num-units", "n"], "N", "How many units."),
                    Flag::value(&["to"], "PLACE,…", "Where each goes: a machine's number, or \"new\"."),
                    Flag::list(&["constraints"], "KEY=VALUE", "What its machines must have."),
                    Flag::value(&["attach-storage"], "ID,…", "Kept storage for its one unit."),
                    Flag::list(&["device"], "NAME=DEVICE", "Refused: there are no devices to give."),
                    Flag::list(&["overlay"], "FILE", "For bundles: lay this file over it."),
                    Flag::value(&["map-machines"], "existing,A=B", "For bundles: use machines again."),
                ],
                STORE,
                CONTENTS,
                DRY_RUN,
                MODEL,
                GLOBAL,
            ],
            details: "\
A path that starts with . or / is a charm (a folder, or a packed .charm) or a bundle (bundle.yaml).
Returns once the application and its units are in \"status\"; \"wait-for\" waits until they have settled.
Everything is checked before anything is made. Deploying a bundle again changes only what differs.",
            examples: &["deploy ./wiki.charm", "deploy ./spark -n 3 --constraints mem=2G --storage workspace=loop,2,1G", "deploy ./wiki docs --config port=80 --resource logo=./logo.png", "deploy ./bundle.yaml --overlay ./small.yaml --dry-run"],
            ..Usage::of("deploy", "<charm or bundle> [<application>]", "Deploy a charm or a bundle.")
        },
        aliases: &[],
        formats: &[],
        read: deploy,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["path"], "PATH", "The new charm: a folder, or a packed .charm."),
                    Flag::value(&["switch"], "NAME", "Change to another charm of the store."),
                    Flag::switch(&["force-base"], "Also to a base that the charm does not name."),
                    Flag::switch(&["force-series"], "Older name of --force-base."),
                    Flag::switch(&["force-units"], "Also to units in error."),
                ],
                STORE,
                CONTENTS,
                MODEL,
                GLOBAL,
            ],
            examples: &["refresh wiki --path ./wiki.charm", "refresh wiki --resource logo=./new.png"],
            ..Usage::of("refresh", "<application>", "Give an application another charm, resources or options.")
        },
        aliases: &["upgrade-charm"],
        formats: &[],
        read: refresh,
    },
];

fn settings(line: &Line) -> Result<Vec<Setting>, UsageError> {
    let setting = |text: &str| match text.split_once('=') {
        Some((key, value)) => Ok(Setting::Value(parse(key)?, value.to_owned())),
        None if text.is_empty() => Err(line.bad("config", "expected key=value or a file")),
        None => Ok(Setting::File(text.to_owned())),
    };
    line.all("config").map(setting).collect()
}

fn resources(line: &Line) -> Result<BTreeMap<ResourceName, String>, UsageError> {
    let mut all = BTreeMap::new();
    for text in line.all("resource") {
        let (name, value) = pair(text)?;
        if all.insert(parse(name)?, value.to_owned()).is_some() {
            return Err(UsageError::rule(format!("resource {name:?} specified more than once")));
        }
    }
    Ok(all)
}

type StorageFlags = (
    BTreeMap<StorageName, StorageDirective>,
    BTreeMap<(ApplicationName, StorageName), StorageDirective>,
);

fn storage(line: &Line) -> Result<StorageFlags, UsageError> {
    let (mut own, mut of) = StorageFlags::default();
    for text in line.all("storage") {
        let (name, directive) = pair(text)?;
        let directive = parse(directive)?;
        let again = match name.split_once(':') {
            Some((application, name)) => {
                of.insert((parse(application)?, parse(name)?), directive).is_some()
            }
            None => own.insert(parse(name)?, directive).is_some(),
        };
        if again {
            return Err(UsageError::rule(format!("storage {name:?} specified more than once")));
        }
    }
    Ok((own, of))
}

fn bindings(line: &Line) -> Result<BTreeMap<Option<EndpointName>, String>, UsageError> {
    let mut all = BTreeMap::new();
    for word in line.last("bind").unwrap_or_default().split_whitespace() {
        match word.split_once('=') {
            Some((endpoint, space)) => all.insert(Some(parse(endpoint)?), space.to_owned()),
            None => all.insert(None, word.to_owned()),
        };
    }
    match all.values().find(|space| *space != "alpha") {
        Some(space) => {
            Err(line.bad("bind", format!("space {space:?} not found; there is one, \"alpha\"")))
        }
        None => Ok(all),
    }
}

/// Flags that make no sense for a bundle.
const CHARM_ONLY: &[&str] = &[
    "num-units",
    "to",
    "constraints",
    "attach-storage",
    "config",
    "resource",
    "bind",
    "base",
    "series",
    "channel",
    "revision",
];

fn deploy(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let source = match line.word(0) {
        Some(source) => source.to_owned(),
        None => return Err(rule("no charm or bundle specified")),
    };
    if line.has("device") {
        return Err(line.bad("device", "there are no devices to give"));
    }
    let units = if line.has("num-units") { Some(count(line, 1)?) } else { None };
    let attach_storage: Vec<StorageId> = listed(line, "attach-storage")?;
    if !attach_storage.is_empty() && units.unwrap_or(1) != 1 {
        return Err(rule("--attach-storage cannot be used with -n"));
    }
    let (storage, storage_of) = storage(line)?;
    let deploy = Deploy {
        application: line.word(1).map(parse).transpose()?,
        units,
        placements: placements(line)?,
        config: settings(line)?,
        constraints: constraints(line, "constraints")?,
        base: base(line)?,
        storage,
        storage_of,
        attach_storage,
        resources: resources(line)?,
        bindings: bindings(line)?,
        channel: line.last("channel").map(str::to_owned),
        revision: line.parsed("revision")?,
        trust: line.on("trust"),
        force: line.on("force"),
        overlays: line.all("overlay").map(str::to_owned).collect(),
        map_machines: line.last("map-machines").map(str::to_owned),
        dry_run: line.on("dry-run"),
        charm_only: CHARM_ONLY.iter().copied().filter(|flag| line.has(flag)).collect(),
        source,
    };
    let local = deploy.is_local();
    if local && deploy.revision.is_some() {
        return Err(rule("cannot specify revision for local charm or bundle"));
    }
    if local && deploy.channel.is_some() {
        return Err(rule("cannot specify a channel for local charm or bundle"));
    }
    if !local && deploy.revision.is_some() && deploy.channel.is_none() {
        return Err(rule(
            "specifying a revision requires a channel for future upgrades. Please use --channel",
        ));
    }
    Ok(Act::Deploy(Box::new(deploy)))
}

fn refresh(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let exclusive: Vec<&str> =
        ["switch", "path", "revision"].into_iter().filter(|flag| line.has(flag)).collect();
    if exclusive.len() > 1 {
        return Err(UsageError::rule(format!(
            "--{} and --{} are mutually exclusive",
            exclusive.first().copied().unwrap_or_default(),
            exclusive.get(1).copied().unwrap_or_default()
        )));
    }
    let (storage, of) = storage(line)?;
    if !of.is_empty() {
        return Err(line.bad("storage", "an application's name is for bundles"));
    }
    Ok(Act::Refresh(Box::new(Refresh {
        application: need(line, 0, "application name")?,
        path: line.last("path").map(str::to_owned),
        switch: line.last("switch").map(str::to_owned),
        channel: line.last("channel").map(str::to_owned),
        revision: line.parsed("revision")?,
        config: settings(line)?,
        storage,
        resources: resources(line)?,
        force_units: line.on("force-units"),
        force_base: line.on("force-base") || line.on("force-series") || line.on("force"),
        base: base(line)?,
        bindings: bindings(line)?,
        trust: line.switch("trust"),
    })))
}

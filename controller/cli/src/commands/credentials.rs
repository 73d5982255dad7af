//! Credentials: what one logs in to clouds with.

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::name::CloudName;

use super::Entry;
use super::clouds::{CLIENT, FILE, Whose, default, whose};
use super::common::{CONTROLLER, GLOBAL, OUTPUT, TABULAR, YAML, need, rule};
use crate::act::Act;

/// `credentials` and `show-credential`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowCredentials {
    /// Only of this cloud.
    pub cloud: Option<CloudName>,
    /// Only this one.
    pub name: Option<CloudName>,
    /// Whose.
    pub whose: Whose,
    /// With what proves who somebody is.
    pub secrets: bool,
    /// Whether it is `show-credential`.
    pub show: bool,
}

/// `add-credential` and `update-credential`.
#[derive(Clone, Debug, PartialEq)]
pub struct PutCredentials {
    /// For which cloud; none: for all that the file has.
    pub cloud: Option<CloudName>,
    /// Only this one.
    pub name: Option<CloudName>,
    /// The file; none: what the client has.
    pub file: Option<String>,
    /// The region that it is good for.
    pub region: Option<String>,
    /// Whose.
    pub whose: Whose,
    /// Whether it may be there already.
    pub update: bool,
}

/// `remove-credential`.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoveCredential {
    /// Of which cloud.
    pub cloud: CloudName,
    /// Which.
    pub name: CloudName,
    /// Whose.
    pub whose: Whose,
}

const PUT: &[Flag] = &[
    Flag::value(&["region"], "NAME", "The region that it is good for."),
    Flag::switch(&["force"], "Accepted; nothing runs on it here."),
];

const SHOW: &[Flag] = &[Flag::switch(&["show-secrets"], "With what proves who somebody is.")];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[SHOW, CLIENT, OUTPUT, CONTROLLER, GLOBAL],
            details: "A controller has no secrets of credentials: they never leave the client.",
            examples: &["credentials", "credentials aws --client --format json"],
            ..Usage::of("credentials", "[<cloud>]", "List credentials.")
        },
        aliases: &["list-credentials"],
        formats: TABULAR,
        read: credentials,
    },
    Entry {
        usage: Usage {
            flags: &[SHOW, CLIENT, OUTPUT, CONTROLLER, GLOBAL],
            examples: &["show-credential", "show-credential aws mine"],
            ..Usage::of("show-credential", "[<cloud> <credential>]", "Show credentials.")
        },
        aliases: &["show-credentials"],
        formats: YAML,
        read: show_credential,
    },
    Entry {
        usage: Usage {
            flags: &[PUT, FILE, CLIENT, CONTROLLER, GLOBAL],
            details: "\
The file holds \"credentials:\", in it the cloud, in it each credential by its name with \"auth-type:\" and
what belongs to it.",
            examples: &["add-credential aws --client --file aws.yaml"],
            ..Usage::of("add-credential", "<cloud>", "Keep a credential.")
        },
        aliases: &[],
        formats: &[],
        read: add_credential,
    },
    Entry {
        usage: Usage {
            flags: &[PUT, FILE, CLIENT, CONTROLLER, GLOBAL],
            details: "Without a file the controller is told of what the client has.",
            examples: &["update-credential aws mine --file aws.yaml --client"],
            ..Usage::of(
                "update-credential",
                "[<cloud> [<credential>]]",
                "Replace a credential, or keep it.",
            )
        },
        aliases: &["update-credentials", "set-credential"],
        formats: &[],
        read: update_credential,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["force"], "Accepted; nothing runs on it here.")],
                CLIENT,
                CONTROLLER,
                GLOBAL,
            ],
            examples: &["remove-credential aws mine --client"],
            ..Usage::of("remove-credential", "<cloud> <credential>", "Forget a credential.")
        },
        aliases: &[],
        formats: &[],
        read: remove_credential,
    },
    Entry {
        usage: Usage {
            flags: &[&[Flag::switch(&["reset"], "Forget it.")], CLIENT, GLOBAL],
            examples: &["default-credential aws mine", "default-credential aws --reset"],
            ..Usage::of(
                "default-credential",
                "<cloud> [<credential>]",
                "Show or set the credential that is meant where none is named.",
            )
        },
        aliases: &["set-default-credentials"],
        formats: &[],
        read: default_credential,
    },
];

fn credentials(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let cloud = if line.words.is_empty() { None } else { Some(need(line, 0, "cloud")?) };
    let (whose, secrets) = (whose(line), line.on("show-secrets"));
    let (name, show) = (None, false);
    Ok(Act::ShowCredentials(ShowCredentials { cloud, name, whose, secrets, show }))
}

fn show_credential(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let (cloud, name) = match line.words.len() {
        0 => (None, None),
        1 => return Err(rule("both cloud and credential name are needed")),
        _ => (Some(need(line, 0, "cloud")?), Some(need(line, 1, "credential")?)),
    };
    let (whose, secrets, show) = (whose(line), line.on("show-secrets"), true);
    Ok(Act::ShowCredentials(ShowCredentials { cloud, name, whose, secrets, show }))
}

fn add_credential(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let Some(file) = line.last("file") else {
        return Err(rule("a file is needed: --file FILE; nothing is asked for here"));
    };
    Ok(Act::PutCredentials(PutCredentials {
        cloud: Some(need(line, 0, "cloud")?),
        name: None,
        file: Some(file.to_owned()),
        region: line.last("region").map(str::to_owned),
        whose: whose(line),
        update: false,
    }))
}

fn update_credential(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let word = |index| line.word(index).map(super::common::parse).transpose();
    Ok(Act::PutCredentials(PutCredentials {
        cloud: word(0)?,
        name: word(1)?,
        file: line.last("file").map(str::to_owned),
        region: line.last("region").map(str::to_owned),
        whose: whose(line),
        update: true,
    }))
}

fn remove_credential(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    Ok(Act::RemoveCredential(RemoveCredential {
        cloud: need(line, 0, "cloud")?,
        name: need(line, 1, "credential")?,
        whose: whose(line),
    }))
}

fn default_credential(line: &Line) -> Result<Act, UsageError> {
    default(line, true)
}

//! Configuration: a fragment from file and environment, and the settings made from it.
//!
//! ```toml
//! controllers = ["10.97.0.1:17070"]          # host:port of each controller
//! authority = "/etc/muster/authority.pem"    # its authority's certificate, by path …
//! # authority-pem = "-----BEGIN …"           # … or as it stands
//! join-token = "…"                           # good once; may also be in the file below
//! join-token-file = "/etc/muster/join"       # removed once it was used
//! ```
//!
//! Everything else has a default: the roots `juju`, `muster`, `logs`, `programs`, and `path`, the
//! `PATH` behind the tools in hooks. In the environment each key is `MUSTER_AGENT_…`, with `_` for
//! `-`; there `MUSTER_AGENT_CONTROLLERS` is a list in brackets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use muster_resources::Reader;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::failpoint::Failpoints;
use crate::paths::Paths;

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A value is missing or is not what it must be.
    #[error("cannot read the configuration")]
    Read(#[source] Box<figment::Error>),
    /// A file that the configuration names cannot be read.
    #[error("cannot read {what} from `{}`", path.display())]
    File {
        /// What should be in it.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A value breaks a rule.
    #[error("{0}")]
    Rule(&'static str),
}

/// What the file and the environment say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Fragment {
    controllers: Vec<SocketAddr>,
    authority: Option<PathBuf>,
    authority_pem: Option<String>,
    join_token: Option<String>,
    join_token_file: Option<PathBuf>,
    juju: PathBuf,
    muster: PathBuf,
    logs: PathBuf,
    programs: Option<PathBuf>,
    path: Option<String>,
    /// Seconds that a hook may take.
    hook_deadline: u64,
}

impl Default for Fragment {
    fn default() -> Self {
        let paths = Paths::usual();
        Fragment {
            controllers: Vec::new(),
            authority: None,
            authority_pem: None,
            join_token: None,
            join_token_file: None,
            juju: paths.juju,
            muster: paths.muster,
            logs: paths.logs,
            programs: paths.programs,
            path: None,
            hook_deadline: 3600,
        }
    }
}

/// How to reach the controller, and how to become known to it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Where it is reached, tried in turn.
    pub controllers: Vec<SocketAddr>,
    /// Its authority's certificate, in PEM.
    pub authority: String,
    /// Good once, to enrol; none once that was done.
    pub join_token: Option<String>,
    /// Where the join token came from; removed once it was used.
    pub join_token_file: Option<PathBuf>,
}

/// How the agent runs. Cannot be wrong once made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where things lie.
    pub paths: Paths,
    /// `PATH` behind the tools, in hooks.
    pub path: String,
    /// The binary that is linked under each tool's name and that starts hooks.
    pub program: PathBuf,
    /// Who reads archives: a child, where `main` knows how to be one.
    pub reader: Reader,
    /// How long a hook may run (reliability document, section 5).
    pub hook_deadline: Duration,
    /// How long `update-status` may run.
    pub update_status_deadline: Duration,
    /// How long what a hook left running may go on, before it is asked to end.
    pub linger: Duration,
    /// How long what was asked to end may take, before it is killed.
    pub grace: Duration,
    /// Whether the machine may really be restarted at a charm's wish. Off in tests.
    pub may_reboot: bool,
    /// What `PRETENDED` boot this is, in tests; none: the kernel's.
    pub boot: Option<String>,
    /// Where to stop as if killed, in tests.
    pub failpoints: Failpoints,
}

impl Settings {
    /// The defaults with these paths and this binary.
    #[must_use]
    pub fn new(paths: Paths, program: PathBuf) -> Settings {
        Settings {
            paths,
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            program,
            reader: Reader::Here,
            hook_deadline: Duration::from_secs(3600),
            update_status_deadline: Duration::from_secs(300),
            linger: Duration::from_secs(3),
            grace: Duration::from_secs(30),
            may_reboot: true,
            boot: None,
            failpoints: Failpoints::default(),
        }
    }
}

/// Reads the configuration of an agent whose binary is `program`.
///
/// # Errors
/// If a value is missing, wrong, or names a file that cannot be read.
pub fn load(file: &Path, program: PathBuf) -> Result<(Settings, Connection), ConfigError> {
    // The environment spells keys with `_`; the file with `-`.
    let environment =
        Env::prefixed("MUSTER_AGENT_").map(|key| key.as_str().replace('_', "-").into());
    let fragment: Fragment = Figment::from(Serialized::defaults(Fragment::default()))
        .merge(Toml::file(file))
        .merge(environment)
        .extract()
        .map_err(|source| ConfigError::Read(Box::new(source)))?;
    if fragment.controllers.is_empty() {
        return Err(ConfigError::Rule("`controllers` must name at least one address"));
    }
    if fragment.hook_deadline == 0 {
        return Err(ConfigError::Rule("`hook-deadline` must be at least 1 second"));
    }
    let authority = match (fragment.authority_pem, fragment.authority) {
        (Some(pem), _) => pem,
        (None, Some(path)) => read("the authority's certificate", &path)?,
        (None, None) => {
            return Err(ConfigError::Rule("either `authority` or `authority-pem` must be given"));
        }
    };
    let join_token = match (fragment.join_token, &fragment.join_token_file) {
        (Some(token), _) => Some(token),
        (None, Some(path)) if path.exists() => {
            Some(read("the join token", path)?.trim().to_owned())
        }
        (None, _) => None,
    };
    let paths = Paths {
        juju: fragment.juju,
        muster: fragment.muster,
        logs: fragment.logs,
        programs: fragment.programs.filter(|path| !path.as_os_str().is_empty()),
    };
    let mut settings = Settings::new(paths, program);
    if let Some(path) = fragment.path {
        settings.path = path;
    }
    settings.hook_deadline = Duration::from_secs(fragment.hook_deadline);
    let connection = Connection {
        controllers: fragment.controllers,
        authority,
        join_token,
        join_token_file: fragment.join_token_file,
    };
    Ok((settings, connection))
}

fn read(what: &'static str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::File {
        what,
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<(Settings, Connection), ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.toml");
        std::fs::write(&file, text).unwrap();
        load(&file, "/usr/bin/muster-agent".into())
    }

    #[test]
    fn a_small_file_is_enough() {
        let (settings, connection) =
            from("controllers = [\"10.0.0.1:17070\"]\nauthority-pem = \"x\"\njoin-token = \"t\"\n")
                .unwrap();
        assert_eq!(connection.join_token.as_deref(), Some("t"));
        assert_eq!(settings.paths, Paths::usual());
    }

    #[test]
    fn mistakes_are_named() {
        let reason =
            |text: &str| muster_console::outcome::Chain(&from(text).unwrap_err()).to_string();
        assert!(reason("").contains("`controllers`"));
        assert!(reason("controllers = [\"10.0.0.1\"]").contains("controllers"));
        assert!(reason("controllers = [\"10.0.0.1:1\"]").contains("authority"));
        assert!(reason("controler = 1").contains("controler"));
    }
}

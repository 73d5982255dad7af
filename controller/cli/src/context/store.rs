//! The client store: what this person's commands remember between runs.
//!
//! A folder with one YAML file a concern. Many processes use one store at once: a change is made
//! under an exclusive lock on the file `lock`, on what the files say at that moment, and each file
//! is replaced by rename, so that a reader without the lock sees the old or the new and never half.
//! Keys that we do not know are kept, since other programs use the same folder.

mod clouds;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use muster_console::format::Format;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

pub use clouds::{Clouds, Credentials, OfCloud, Secret};

use crate::failure::Failure;

/// No file of the store comes near this; a longer one is not ours.
const LONGEST: u64 = 4 << 20;

/// Why the store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The folder cannot be made.
    #[error("cannot make the client store `{}`", path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The lock cannot be had.
    #[error("cannot lock the client store with `{}`", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("cannot understand `{}`: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, where.
        reason: String,
    },
    /// A file cannot be replaced.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::new(muster_console::outcome::Chain(&error).to_string())
    }
}

type Extra = BTreeMap<String, Value>;

/// `controllers.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controllers {
    /// By name.
    #[serde(default)]
    pub controllers: BTreeMap<String, Controller>,
    /// What `switch` chose.
    #[serde(default, rename = "current-controller", skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    #[serde(flatten)]
    extra: Extra,
}

/// One controller: how it is reached and known again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Controller {
    /// Its identity; empty until `bootstrap` has come to its end.
    pub uuid: String,
    /// `address:port`, the likeliest first.
    #[serde(default)]
    pub api_endpoints: Vec<String>,
    /// The PEM certificate that its own is signed by.
    #[serde(default)]
    pub ca_cert: String,
    /// The cloud that it was made on.
    #[serde(default)]
    pub cloud: String,
    /// The region of the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The version it last answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// Where it keeps its data, when it was started on this host by `bootstrap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_folder: Option<PathBuf>,
    #[serde(flatten)]
    extra: Extra,
}

/// `models.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Models {
    /// By controller.
    #[serde(default)]
    pub controllers: BTreeMap<String, ModelsOf>,
    #[serde(flatten)]
    extra: Extra,
}

/// The models that have been seen on one controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelsOf {
    /// By `user/model`.
    #[serde(default)]
    pub models: BTreeMap<String, SeenModel>,
    /// What `switch` chose.
    #[serde(default, rename = "current-model", skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// What was current before it.
    #[serde(default, rename = "previous-model", skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    #[serde(flatten)]
    extra: Extra,
}

/// A model that has been seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenModel {
    /// Its identity.
    pub uuid: String,
    /// `iaas` or `caas`.
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(flatten)]
    extra: Extra,
}

/// `accounts.yaml`, readable by its owner only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// By controller.
    #[serde(default)]
    pub controllers: BTreeMap<String, Account>,
    #[serde(flatten)]
    extra: Extra,
}

/// As whom somebody is logged in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Account {
    /// The user's name.
    pub user: String,
    /// What proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What the user was last known to be allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known_access: Option<String>,
    #[serde(flatten)]
    extra: Extra,
}

/// Without the token, which is nobody's to print.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Controller {
    /// A controller that has just been met.
    #[must_use]
    pub fn new(uuid: String, api_endpoints: Vec<String>, ca_cert: String, cloud: String) -> Self {
        Controller { uuid, api_endpoints, ca_cert, cloud, ..Controller::default() }
    }

    /// Whether it stands here because `bootstrap` began it, and is not whole yet: it is written down
    /// before anything of it is made.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.uuid.is_empty() && self.data_folder.is_some()
    }
}

impl SeenModel {
    /// A model with that identity.
    #[must_use]
    pub fn new(uuid: String) -> SeenModel {
        SeenModel { uuid, kind: "iaas".to_owned(), extra: Extra::new() }
    }
}

impl Account {
    /// A user and what proves him.
    #[must_use]
    pub fn new(user: String, token: String, access: &str) -> Account {
        let last_known_access = Some(access.to_owned());
        Account { user, token: Some(token), last_known_access, extra: Extra::new() }
    }
}

/// Everything in the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Controllers and which is current.
    pub controllers: Controllers,
    /// Models and which is current.
    pub models: Models,
    /// Who is logged in where.
    pub accounts: Accounts,
    /// Clouds that were written down here.
    pub clouds: Clouds,
    /// What one logs in to clouds with.
    pub credentials: Credentials,
}

impl Contents {
    /// Forgets a controller, with its models and account.
    pub fn forget(&mut self, controller: &str) {
        self.controllers.controllers.remove(controller);
        self.models.controllers.remove(controller);
        self.accounts.controllers.remove(controller);
        if self.controllers.current.as_deref() == Some(controller) {
            self.controllers.current = None;
        }
    }
}

/// The folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in `folder`, which need not exist yet.
    #[must_use]
    pub fn at(folder: PathBuf) -> Store {
        Store { folder }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything in it, as of now. A store that is not there is empty.
    ///
    /// # Errors
    /// When a file is there and cannot be read or understood.
    pub fn read(&self) -> Result<Contents, StoreError> {
        Ok(Contents {
            controllers: self.load("controllers.yaml")?,
            models: self.load("models.yaml")?,
            accounts: self.load("accounts.yaml")?,
            clouds: self.load("clouds.yaml")?,
            credentials: self.load("credentials.yaml")?,
        })
    }

    /// Changes what is in it, alone, and writes what differs.
    ///
    /// # Errors
    /// When it cannot be locked, read or written; what `change` returns passes through.
    pub fn change<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> Result<T, StoreError> {
        let _held = self.lock()?;
        let before = self.read()?;
        let mut after = before.clone();
        let answer = change(&mut after);
        // Accounts first: a controller must not be found there whose account is not.
        if after.accounts != before.accounts {
            self.save("accounts.yaml", &after.accounts)?;
        }
        if after.credentials != before.credentials {
            self.save("credentials.yaml", &after.credentials)?;
        }
        if after.clouds != before.clouds {
            self.save("clouds.yaml", &after.clouds)?;
        }
        if after.models != before.models {
            self.save("models.yaml", &after.models)?;
        }
        if after.controllers != before.controllers {
            self.save("controllers.yaml", &after.controllers)?;
        }
        Ok(answer)
    }

    /// Held until it is dropped; the kernel frees it when the process ends, however it ends.
    fn lock(&self) -> Result<File, StoreError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|source| StoreError::Make { path: self.folder.clone(), source })?;
        let path = self.folder.join("lock");
        let lock = |path: &Path| -> io::Result<File> {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(path)?;
            file.lock()?;
            Ok(file)
        };
        lock(&path).map_err(|source| StoreError::Lock { path, source })
    }

    fn load<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, StoreError> {
        let path = self.folder.join(name);
        let text = match read_capped(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        if text.trim().is_empty() {
            return Ok(T::default());
        }
        serde_saphyr::from_str(&text)
            .map_err(|error| StoreError::Parse { path, reason: error.to_string() })
    }

    fn save<T: Serialize>(&self, name: &str, contents: &T) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        let save = || -> io::Result<()> {
            let value = serde_json::to_value(contents).map_err(io::Error::other)?;
            let text = Format::Yaml.render(&value);
            // The lock is held, so nobody else uses this name.
            let new = self.folder.join(format!(".{name}.new"));
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        save().map_err(|source| StoreError::Write { path: path.clone(), source })
    }
}

fn read_capped(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("longer than {LONGEST} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;

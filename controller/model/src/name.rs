//! The names of what is in a model (hook contract, section 2).
//!
//! What a charm speaks of (applications, endpoints, storages, …) is named in
//! [`muster_charms::name`]; both kinds are parsed once, at the door.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use muster_charms::name::{
    ActionName, ApplicationName, BadName, EndpointName, InterfaceName, OptionName, ResourceName,
    Role, StorageName,
};
pub use muster_charms::storage::PoolName;

/// Gives a parsed type its text form in serde.
macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }
    };
}

muster_charms::name_type! {
    /// A model's short name, such as `prod`; unique for its owner.
    ModelName, "model name", model
}
muster_charms::name_type! {
    /// A user's name, such as `admin`.
    UserName, "user name", user
}
muster_charms::name_type! {
    /// A cloud's or a controller's name, such as `localhost`.
    CloudName, "name", user
}

/// In whose name the controller itself asks.
#[must_use]
pub fn system_user() -> UserName {
    UserName("controller".into())
}

/// `[a-z0-9]+[a-z0-9-]*`.
fn model(text: &str) -> Option<&'static str> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match text.bytes().next() {
        Some(first) if good(first) => {}
        _ => return Some("it must start with a lower-case letter or a digit"),
    }
    if !text.bytes().all(|b| good(b) || b == b'-') {
        return Some("it may hold lower-case letters, digits and hyphens only");
    }
    None
}

fn user(text: &str) -> Option<&'static str> {
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    if !ends(text.as_bytes().first()) || !ends(text.as_bytes().last()) {
        return Some("it must start and end with a letter or a digit");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_')) {
        return Some("it may hold letters, digits, `.`, `+`, `-` and `_` only");
    }
    None
}

fn plain_number(what: &'static str, text: &str, digits: &str) -> Result<u32, BadName> {
    let number: u32 =
        digits.parse().map_err(|_| BadName::new(what, text, "it does not end in a number"))?;
    if digits != number.to_string() {
        return Err(BadName::new(what, text, "its number is not written plainly"));
    }
    Ok(number)
}

/// `application/number`, such as `wiki/0`. Ordered by application, then by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName {
    /// The application that it is an instance of.
    pub application: ApplicationName,
    /// Counts up within the application's name; never used again in the model.
    pub number: u32,
}

impl UnitName {
    /// The unit of `application` with this number.
    #[must_use]
    pub fn new(application: ApplicationName, number: u32) -> Self {
        UnitName { application, number }
    }

    /// The form used in paths and log labels: `unit-wiki-0`.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("unit-{}-{}", self.application, self.number)
    }

    /// The unit of a [`UnitName::tag`].
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<UnitName> {
        let (application, number) = tag.strip_prefix("unit-")?.rsplit_once('-')?;
        format!("{application}/{number}").parse().ok()
    }
}

impl FromStr for UnitName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let Some((application, digits)) = text.split_once('/') else {
            return Err(BadName::new("unit name", text, "it has no `/`"));
        };
        let number = plain_number("unit name", text, digits)?;
        Ok(UnitName { application: application.parse()?, number })
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.application, self.number))
    }
}

as_text!(UnitName);

/// `name/number`, such as `data/0`. The number is unique in the model across storage names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorageId {
    /// The storage of the charm that it is an instance of.
    pub name: StorageName,
    /// Never used again in the model.
    pub number: u32,
}

impl FromStr for StorageId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let Some((name, digits)) = text.split_once('/') else {
            return Err(BadName::new("storage id", text, "it has no `/`"));
        };
        let number = plain_number("storage id", text, digits)?;
        Ok(StorageId { name: name.parse()?, number })
    }
}

impl fmt::Display for StorageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.name, self.number))
    }
}

as_text!(StorageId);

/// A machine of a model, such as `0`. Containers on machines (`0/lxd/1`) are not offered yet and
/// are refused by the parser with that reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MachineId(pub u32);

impl FromStr for MachineId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text.contains('/') {
            return Err(BadName::new("machine id", text, "containers on machines are not offered"));
        }
        plain_number("machine id", text, text).map(MachineId)
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(MachineId);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                text.parse().map($name).map_err(|_| BadName::new($what, text, "it is not a number"))
            }
        }

        as_text!($name);
    };
}

id! {
    /// A relation's number, unique in the model and never used again. Charms see it behind the
    /// local endpoint's name, as in `db:7`.
    RelationId(u32), "relation id"
}
id! {
    /// An operation: one request to run something, on any number of units.
    OperationId(u32), "operation id"
}
id! {
    /// A task: an operation's part on one unit. Operations and tasks count in one sequence.
    TaskId(u32), "task id"
}

/// A model's id for life: a UUID in its usual form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(pub uuid::Uuid);

impl FromStr for ModelId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let rule = "it is not a UUID of the form 8-4-4-4-12 in lower case";
        let id = uuid::Uuid::try_parse(text).map_err(|_| BadName::new("model id", text, rule))?;
        if id.to_string() != text {
            return Err(BadName::new("model id", text, rule));
        }
        Ok(ModelId(id))
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(ModelId);

/// Who a databag belongs to: a unit (`wiki/0`) or an application (`wiki`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Member {
    /// The application's own bag, written by its leader.
    Application(ApplicationName),
    /// A unit's bag.
    Unit(UnitName),
}

impl Member {
    /// The application, or that of the unit.
    #[must_use]
    pub fn application(&self) -> &ApplicationName {
        match self {
            Member::Application(name) => name,
            Member::Unit(unit) => &unit.application,
        }
    }
}

impl FromStr for Member {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text.contains('/') {
            text.parse().map(Member::Unit)
        } else {
            text.parse().map(Member::Application)
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Application(name) => name.fmt(f),
            Member::Unit(unit) => unit.fmt(f),
        }
    }
}

as_text!(Member);

/// Where a charm in a model came from and which revision it is: `local:wiki-3` or `ch:wiki-12`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CharmUrl {
    /// Whether it was uploaded from a path (`local:`) or taken from the store by name (`ch:`).
    pub local: bool,
    /// The charm's name.
    pub name: ApplicationName,
    /// Counts up for each charm name in the model, from 0.
    pub revision: u32,
}

impl FromStr for CharmUrl {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (local, rest) = match text.split_once(':') {
            Some(("local", rest)) => (true, rest),
            Some(("ch", rest)) => (false, rest),
            _ => {
                return Err(BadName::new(
                    "charm URL",
                    text,
                    "it must begin with `local:` or `ch:`",
                ));
            }
        };
        let Some((name, digits)) = rest.rsplit_once('-') else {
            return Err(BadName::new("charm URL", text, "it has no revision"));
        };
        let revision = plain_number("charm URL", text, digits)?;
        Ok(CharmUrl { local, name: name.parse()?, revision })
    }
}

impl fmt::Display for CharmUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = if self.local { "local" } else { "ch" };
        f.pad(&format!("{schema}:{}-{}", self.name, self.revision))
    }
}

as_text!(CharmUrl);

#[cfg(test)]
mod tests {
    use super::*;

    /// Hook contract N02.
    #[test]
    fn n02_unit_names() {
        assert!("app/0".parse::<UnitName>().is_ok());
        for bad in ["app/01", "app", "app/", "app/-1", "App/0", "app/+1", "app/0/1"] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn units_are_in_natural_order() {
        let two: UnitName = "a/2".parse().unwrap();
        let ten: UnitName = "a/10".parse().unwrap();
        assert!(two < ten);
    }

    #[test]
    fn charm_urls_read_back() {
        let url: CharmUrl = "local:my-db2-3".parse().unwrap();
        assert_eq!(url.to_string(), "local:my-db2-3");
        assert_eq!(url.name.as_str(), "my-db2");
        assert!("my-db2-3".parse::<CharmUrl>().is_err());
    }
}

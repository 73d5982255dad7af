//! Bundles: several applications and how they hang together, in one file (CLI contract, section 8).
//!
//! ```text
//!  documents of the file, then of each --overlay
//!     │ paths made relative to nothing, include-file:// and include-base64:// replaced
//!     ▼
//!  one tree ──▶ Bundle ──▶ check (alone) ──▶ check_charms (once the charms are read)
//! ```
//!
//! Problems are reported all together.

pub mod check;
mod overlay;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::manifest::Base;
use crate::name::{ApplicationName, BadName, EndpointName, OptionName, ResourceName, StorageName};
use crate::storage::StorageDirective;
use crate::yaml::Node;

pub use overlay::{Include, Source};

/// A bundle with its overlays merged.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The base of applications that say none.
    pub default_base: Option<Base>,
    /// The series of applications that say none; the older way to say it.
    pub series: Option<String>,
    /// What is deployed.
    pub applications: BTreeMap<ApplicationName, ApplicationSpec>,
    /// The machines that placements speak of, by the bundle's own numbers.
    pub machines: BTreeMap<String, MachineSpec>,
    /// What is related.
    pub relations: Vec<(EndpointRef, EndpointRef)>,
    /// Offers of other models, by the alias under which relations name them.
    pub saas: BTreeMap<ApplicationName, String>,
    /// Keys that mean nothing here, for a word to the operator.
    pub unknown_keys: Vec<String>,
}

/// One application of a bundle.
#[derive(Clone, Debug, Default)]
pub struct ApplicationSpec {
    /// The charm: a path (it begins with `.` or `/`, and is relative to the working directory), or
    /// a name in a store.
    pub charm: String,
    /// The store's channel.
    pub channel: Option<String>,
    /// The store's revision.
    pub revision: Option<u32>,
    /// The base of its machines.
    pub base: Option<Base>,
    /// The same in the older way.
    pub series: Option<String>,
    /// How many units; nothing where the bundle does not say.
    pub num_units: Option<u32>,
    /// Where they go, one after the other; the last counts for all that follow.
    pub to: Vec<Placement>,
    /// Settings as they are written; [`check::options`] gives them their types.
    pub options: BTreeMap<OptionName, Node>,
    /// Notes of the operator's tools.
    pub annotations: BTreeMap<String, String>,
    /// Constraints on its machines, as they are written.
    pub constraints: Option<String>,
    /// Storage by name.
    pub storage: BTreeMap<StorageName, StorageDirective>,
    /// Devices by name, as they are written.
    pub devices: BTreeMap<String, String>,
    /// Spaces by endpoint; the empty endpoint is the default.
    pub bindings: BTreeMap<String, String>,
    /// Resources by name.
    pub resources: BTreeMap<ResourceName, ResourceRef>,
    /// Whether it is open to the world.
    pub expose: bool,
    /// Which endpoints are open to whom.
    pub exposed_endpoints: BTreeMap<String, Exposure>,
    /// What it offers to other models, by the offer's name.
    pub offers: BTreeMap<String, Offer>,
    /// Whether it may use the credentials of the cloud.
    pub trust: bool,
}

impl ApplicationSpec {
    /// Whether the charm is a path and not a name in a store.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.charm.starts_with(['.', '/'])
    }
}

/// A resource that a bundle names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceRef {
    /// A revision in a store.
    Revision(u32),
    /// A file's path, or for an image its reference.
    Path(String),
}

/// A machine that a bundle describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineSpec {
    /// As they are written.
    pub constraints: Option<String>,
    /// Notes of the operator's tools.
    pub annotations: BTreeMap<String, String>,
    /// What it runs.
    pub base: Option<Base>,
    /// The same in the older way.
    pub series: Option<String>,
}

/// To whom an endpoint is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Spaces.
    pub spaces: Vec<String>,
    /// Networks.
    pub cidrs: Vec<crate::Cidr>,
}

/// What an application offers to other models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The endpoints that are offered.
    pub endpoints: Vec<EndpointName>,
    /// Who may do what with it: user to `read`, `consume` or `admin`.
    pub acl: BTreeMap<String, String>,
}

/// One side of a relation: `application` or `application:endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointRef {
    /// An application of the bundle, or an alias of `saas`.
    pub application: ApplicationName,
    /// Its endpoint, where it is not plain without saying.
    pub endpoint: Option<EndpointName>,
}

impl FromStr for EndpointRef {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Ok(match text.split_once(':') {
            Some((application, endpoint)) => {
                EndpointRef { application: application.parse()?, endpoint: Some(endpoint.parse()?) }
            }
            None => EndpointRef { application: text.parse()?, endpoint: None },
        })
    }
}

impl fmt::Display for EndpointRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Some(endpoint) => write!(f, "{}:{endpoint}", self.application),
            None => write!(f, "{}", self.application),
        }
    }
}

/// Where a unit goes: `[container:]target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The kind of container to make there, such as `lxd`.
    pub container: Option<String>,
    /// Beside whom, or on what.
    pub target: Target,
}

/// What a placement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A machine of its own.
    New,
    /// The bundle's machine of this number.
    Machine(String),
    /// The machine of this unit.
    Unit(ApplicationName, u32),
    /// The machine of the application's next unit.
    Application(ApplicationName),
}

/// A text that is no placement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("placement {0:?} is not `[container:]` and a machine, a unit, an application or `new`")]
pub struct BadPlacement(String);

impl FromStr for Placement {
    type Err = BadPlacement;

    fn from_str(text: &str) -> Result<Self, BadPlacement> {
        let bad = || BadPlacement(text.chars().take(128).collect());
        let (container, target) = match text.split_once(':') {
            Some((container, target)) => (Some(container), target),
            None => (None, text),
        };
        let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
        if container.is_some_and(|container| !word(container)) {
            return Err(bad());
        }
        let plain =
            |digits: &str| digits.parse::<u32>().ok().filter(|number| number.to_string() == digits);
        let target = if target == "new" {
            Target::New
        } else if plain(target).is_some() {
            Target::Machine(target.to_owned())
        } else if let Some((application, number)) = target.split_once('/') {
            let number = plain(number).ok_or_else(bad)?;
            Target::Unit(application.parse().map_err(|_| bad())?, number)
        } else {
            Target::Application(target.parse().map_err(|_| bad())?)
        };
        Ok(Placement { container: container.map(str::to_owned), target })
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(container) = &self.container {
            write!(f, "{container}:")?;
        }
        match &self.target {
            Target::New => f.write_str("new"),
            Target::Machine(number) => f.write_str(number),
            Target::Unit(application, number) => write!(f, "{application}/{number}"),
            Target::Application(application) => write!(f, "{application}"),
        }
    }
}

/// Everything that is wrong with a bundle, one problem a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bundle is not valid:\n{}", problems.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n"))]
pub struct BadBundle {
    /// One sentence each.
    pub problems: Vec<String>,
}

impl Bundle {
    /// Reads a bundle: `base` with the overlays in its own file, then each of `overlays`.
    ///
    /// `include` reads the files that `include-file://` and `include-base64://` name.
    /// `constraints` says what is wrong with constraints, which are not the charm format's to know.
    pub fn load(
        base: &Source<'_>,
        overlays: &[Source<'_>],
        include: &Include<'_>,
        constraints: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<Bundle, BadBundle> {
        let node = overlay::merged(base, overlays, include)?;
        let (bundle, mut problems) = read::bundle(base.file, &node);
        // What could not be read is missing now, and would be complained about twice.
        if problems.is_empty() {
            problems = check::alone(&bundle, constraints);
        }
        if problems.is_empty() { Ok(bundle) } else { Err(BadBundle { problems }) }
    }
}

#[cfg(test)]
mod tests;

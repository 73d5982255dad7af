//! A charm, read from its files once and kept in the store as JSON.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::action::Action;
use crate::endpoint::{Endpoint, JUJU_INFO};
use crate::hook::{HookKind, RelationEvent, StorageEvent};
use crate::is_default;
use crate::manifest::Base;
use crate::metadata::Metadata;
use crate::name::{ActionName, EndpointName, InterfaceName, OptionName, Role};
use crate::option::CharmOption;

pub use read::{CharmError, Files};

/// Which of the two ages of the charm format a charm is written in (hook contract, section 1.2).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// With `series`, or with nothing that says where it runs.
    #[default]
    V1,
    /// With bases in `manifest.yaml`.
    V2,
}

/// All that a charm says of itself.
///
/// Kept in the store: a new field is optional and has a default, an old one never changes its
/// meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Charm {
    /// From `metadata.yaml`.
    pub metadata: Metadata,
    /// From `config.yaml`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<OptionName, CharmOption>,
    /// From `actions.yaml`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub actions: BTreeMap<ActionName, Action>,
    /// From `manifest.yaml`: where it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Base>,
    /// From `revision`; the deployed revision is the controller's to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// From `version`: what status shows as the charm's version, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// In which of its two ages the format is written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: Format,
    /// Whether there is a `metrics.yaml`, so that it can receive `collect-metrics`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metrics: bool,
    /// From `lxd-profile.yaml`, checked and kept as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lxd_profile: Option<Map<String, Value>>,
}

impl Charm {
    /// A charm of nothing but its metadata.
    #[must_use]
    pub fn new(metadata: Metadata) -> Self {
        Charm {
            metadata,
            options: BTreeMap::new(),
            actions: BTreeMap::new(),
            bases: Vec::new(),
            revision: None,
            version: None,
            format: Format::V1,
            metrics: false,
            lxd_profile: None,
        }
    }

    /// The endpoint of this name: a declared one, or the `juju-info` that every charm provides
    /// without saying so.
    #[must_use]
    pub fn endpoint(&self, name: &EndpointName) -> Option<Endpoint> {
        match self.metadata.endpoints.get(name) {
            Some(endpoint) => Some(endpoint.clone()),
            None if name.as_str() == JUJU_INFO => juju_info().map(|(_, endpoint)| endpoint),
            None => None,
        }
    }

    /// Every endpoint with its name, the implicit `juju-info` among them.
    #[must_use]
    pub fn all_endpoints(&self) -> BTreeMap<EndpointName, Endpoint> {
        let mut all: BTreeMap<_, _> = juju_info().into_iter().collect();
        all.extend(self.metadata.endpoints.iter().map(|(n, e)| (n.clone(), e.clone())));
        all
    }

    /// Every hook that the charm can receive (section 4.3). None run on the implicit `juju-info`.
    #[must_use]
    pub fn hooks(&self) -> Vec<HookKind> {
        let mut hooks: Vec<HookKind> = HookKind::STANDARD.into();
        hooks.retain(|hook| self.metrics || *hook != HookKind::CollectMetrics);
        for endpoint in self.metadata.endpoints.keys() {
            hooks.extend(RelationEvent::ALL.map(|e| HookKind::relation(endpoint.clone(), e)));
        }
        for storage in self.metadata.storage.keys() {
            hooks.extend(StorageEvent::ALL.map(|e| HookKind::storage(storage.clone(), e)));
        }
        hooks
    }

    /// The names of the files in `hooks/` that get the owner's execute bit when the charm is laid
    /// out, whatever bits they came with (section 1.12).
    #[must_use]
    pub fn hook_names(&self) -> BTreeSet<String> {
        self.hooks().iter().map(ToString::to_string).collect()
    }
}

/// The endpoint that is there without being declared. Its name keeps the rules; were it not so,
/// no charm could be related by it, which the tests would see.
fn juju_info() -> Option<(EndpointName, Endpoint)> {
    let name: EndpointName = JUJU_INFO.parse().ok()?;
    let interface: InterfaceName = JUJU_INFO.parse().ok()?;
    Some((name, Endpoint::new(Role::Provider, interface)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charm() -> Charm {
        let files = BTreeMap::from([(
            "metadata.yaml".to_owned(),
            b"name: wiki\nsummary: s\ndescription: d\nrequires: {db: mysql}\n\
              storage: {data: {type: filesystem}}\n"
                .to_vec(),
        )]);
        Charm::read(&files).unwrap()
    }

    #[test]
    fn every_charm_provides_juju_info() {
        let charm = charm();
        let endpoint = charm.endpoint(&"juju-info".parse().unwrap()).unwrap();
        assert_eq!((endpoint.role, endpoint.interface.as_str()), (Role::Provider, JUJU_INFO));
        assert_eq!(charm.all_endpoints().len(), 2);
        assert!(charm.endpoint(&"web".parse().unwrap()).is_none());
    }

    /// Hook contract C16.
    #[test]
    fn c16_hooks_that_get_the_execute_bit_are_those_it_can_receive() {
        let names = charm().hook_names();
        for name in ["install", "stop", "db-relation-broken", "data-storage-attached"] {
            assert!(names.contains(name), "{name}");
        }
        for name in ["collect-metrics", "juju-info-relation-joined", "helper.sh", "db"] {
            assert!(!names.contains(name), "{name}");
        }
    }

    #[test]
    fn a_charm_is_kept_as_json_and_read_back() {
        let charm = charm();
        let json = serde_json::to_string(&charm).unwrap();
        assert_eq!(serde_json::from_str::<Charm>(&json).unwrap(), charm);
        let bare = r#"{"metadata":{"name":"wiki","summary":"s","description":"d"}}"#;
        let bare: Charm = serde_json::from_str(bare).unwrap();
        assert_eq!(bare.metadata.name.as_str(), "wiki");
    }
}

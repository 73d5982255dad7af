//! Clouds and credentials as operators write them down.
//!
//! A controller makes machines on its own cloud and on no other; definitions of others are kept and
//! given back, for scripts that keep them here. What of a credential is a secret is told by its
//! attribute's name, and never leaves the operator's own store: nothing here could use it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::CloudName;

/// The kinds of cloud that there are in the world.
pub const KINDS: &[&str] = &[
    "azure",
    "ec2",
    "equinix",
    "gce",
    "kubernetes",
    "lxd",
    "maas",
    "manual",
    "nspawn",
    "oci",
    "openstack",
    "unmanaged",
    "vsphere",
];

/// Clouds that everybody knows without a definition: name, kind, description, ways to log in.
pub const PUBLIC: &[(&str, &str, &str, &[&str])] = &[
    ("aws", "ec2", "Amazon Web Services", &["access-key", "instance-role"]),
    ("aws-china", "ec2", "Amazon China", &["access-key"]),
    ("aws-gov", "ec2", "Amazon (USA Government)", &["access-key"]),
    ("azure", "azure", "Microsoft Azure", &["interactive", "service-principal-secret"]),
    ("azure-china", "azure", "Microsoft Azure China", &["interactive", "service-principal-secret"]),
    ("equinix", "equinix", "Equinix Metal", &["access-key"]),
    ("google", "gce", "Google Cloud Platform", &["jsonfile", "oauth2"]),
    ("oracle", "oci", "Oracle Compute Cloud", &["httpsig"]),
];

/// Attributes of credentials that say who somebody is and do not prove it. Every other is a secret.
const SHOWN: &[&str] = &[
    "access-key",
    "application-id",
    "application-object-id",
    "client-cert",
    "client-email",
    "client-id",
    "domain-name",
    "endpoint",
    "fingerprint",
    "instance-profile-name",
    "managed-subscription-id",
    "project-domain-name",
    "project-id",
    "rbac-id",
    "region",
    "server-cert",
    "service-account",
    "subscription-id",
    "tenancy",
    "tenant-id",
    "tenant-name",
    "user",
    "user-domain-name",
    "username",
    "version",
];

/// Whether an attribute of a credential may be shown.
#[must_use]
pub fn is_shown(attribute: &str) -> bool {
    SHOWN.contains(&attribute)
}

/// What is known of a cloud, key by key as its file has it. Keys that are not named here are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloudDefinition {
    /// One of [`KINDS`].
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How one may log in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth_types: Vec<String>,
    /// Where it is reached.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// Its regions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<String, Region>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A region of a cloud.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Region {
    /// Where it is reached.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// The most bytes of a definition, as JSON.
const MAX_DEFINITION: usize = 64 << 10;

impl CloudDefinition {
    /// Checks a definition.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence part.
    pub fn check(&self) -> Result<(), String> {
        if !KINDS.contains(&self.kind.as_str()) {
            let (kind, known) = (&self.kind, KINDS.join(", "));
            return Err(format!("{kind:?} is no type of cloud; there are {known}"));
        }
        let written = serde_json::to_string(self).map_err(|error| error.to_string())?;
        if written.len() > MAX_DEFINITION {
            return Err("its definition is longer than 64 KiB".to_owned());
        }
        Ok(())
    }

    /// A cloud that everybody knows.
    #[must_use]
    pub fn public(name: &str) -> Option<CloudDefinition> {
        let (_, kind, description, auth) = PUBLIC.iter().find(|(known, ..)| *known == name)?;
        Some(CloudDefinition {
            kind: (*kind).to_owned(),
            description: (*description).to_owned(),
            auth_types: auth.iter().map(|word| (*word).to_owned()).collect(),
            ..CloudDefinition::default()
        })
    }

    /// The cloud that a controller makes machines on: its own host, one region, no logging in.
    #[must_use]
    pub fn own(name: &CloudName) -> CloudDefinition {
        CloudDefinition {
            kind: "nspawn".to_owned(),
            description: "System containers on the controller's own host".to_owned(),
            auth_types: vec!["empty".to_owned()],
            regions: BTreeMap::from([(name.to_string(), Region::default())]),
            ..CloudDefinition::default()
        }
    }
}

/// A credential as a controller has it: without what proves anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Credential {
    /// How one logs in with it.
    pub auth_type: String,
    /// Attributes that may be shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Attributes that it has in the operator's own store, and that were not sent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub withheld: BTreeSet<String>,
}

/// The most credentials of one user for one cloud.
const MAX_CREDENTIALS: usize = 100;

/// The most bytes of a credential's attributes.
const MAX_ATTRIBUTES: usize = 16 << 10;

/// Checks what a user keeps for one cloud.
///
/// # Errors
/// What is wrong with it, as a sentence part.
pub fn check(credentials: &BTreeMap<CloudName, Credential>) -> Result<(), String> {
    if credentials.len() > MAX_CREDENTIALS {
        return Err(format!("more than {MAX_CREDENTIALS} credentials for one cloud"));
    }
    for (name, credential) in credentials {
        if let Some(key) = credential.attributes.keys().find(|key| !is_shown(key)) {
            return Err(format!(
                "credential \"{name}\": \"{key}\" is a secret and is not kept here"
            ));
        }
        let size: usize = credential.attributes.iter().map(|(k, v)| k.len() + v.len()).sum();
        let names: usize = credential.withheld.iter().map(String::len).sum();
        if size + names + credential.auth_type.len() > MAX_ATTRIBUTES {
            return Err(format!("credential \"{name}\" is longer than 16 KiB"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_kept_with_what_is_not_understood() {
        let text = r#"{"type":"openstack","auth-types":["userpass"],"regions":{"one":{"endpoint":"https://one","identity-endpoint":"https://id"}},"config":{"network":"n"},"ca-certificates":["c"]}"#;
        let definition: CloudDefinition = serde_json::from_str(text).unwrap();
        assert_eq!(definition.check(), Ok(()));
        let back = serde_json::to_value(&definition).unwrap();
        assert_eq!(back, serde_json::from_str::<Value>(text).unwrap());
        let odd = CloudDefinition { kind: "odd".to_owned(), ..CloudDefinition::default() };
        assert!(odd.check().unwrap_err().contains("\"odd\" is no type of cloud"));
    }

    /// Reliability document, S37: what proves who somebody is goes nowhere.
    #[test]
    fn s37_secrets_of_credentials_are_not_taken() {
        let with = |key: &str| {
            let attributes = BTreeMap::from([(key.to_owned(), "x".to_owned())]);
            let auth_type = "access-key".to_owned();
            let credential = Credential { auth_type, attributes, ..Credential::default() };
            check(&BTreeMap::from([("one".parse().unwrap(), credential)]))
        };
        assert_eq!(with("access-key"), Ok(()));
        for secret in ["secret-key", "password", "client-key", "file", "api-token", "anything"] {
            assert!(with(secret).is_err(), "{secret}");
        }
        assert!(SHOWN.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

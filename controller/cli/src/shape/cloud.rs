//! `clouds`, `show-cloud`, `credentials`, `show-credential` (CLI contract §4.10).

use std::collections::BTreeMap;

use muster_model::cloud::{CloudDefinition, Credential, is_shown};
use muster_model::name::CloudName;
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::store::OfCloud;

/// Where a definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defined {
    /// From nobody: it is the host itself.
    BuiltIn,
    /// From nobody: everybody knows it.
    Public,
    /// From somebody who wrote it down.
    Local,
}

impl Defined {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Defined::BuiltIn => "built-in",
            Defined::Public => "public",
            Defined::Local => "local",
        }
    }
}

/// A cloud, with where it comes from.
#[must_use]
pub fn shown(from: Defined, cloud: &CloudDefinition) -> Value {
    let mut value = super::value(cloud);
    if let Some(map) = value.as_object_mut() {
        map.insert("defined".to_owned(), json!(from.as_str()));
        map.entry("description").or_insert_with(|| json!(""));
        map.entry("auth-types").or_insert_with(|| json!([]));
    }
    value
}

/// The answer of `credentials`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Credentials {
    /// In the client's own store, by cloud; absent where it was not asked for.
    #[serde(rename = "client-credentials", skip_serializing_if = "Option::is_none")]
    pub client: Option<BTreeMap<String, Listed>>,
    /// What the controller was told, by cloud; absent where none was asked.
    #[serde(rename = "controller-credentials", skip_serializing_if = "Option::is_none")]
    pub controller: Option<BTreeMap<String, Listed>>,
}

/// What there is for one cloud.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// The one that is meant where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_credential: Option<String>,
    /// The region that is meant where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_region: Option<String>,
    /// By name.
    pub cloud_credentials: BTreeMap<String, One>,
}

/// One credential.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct One {
    /// How one logs in with it.
    pub auth_type: String,
    /// Its attributes, as far as they may be shown.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Listed {
    /// What the client has; `secrets` shows all of it.
    #[must_use]
    pub fn of_client(of: &OfCloud, secrets: bool, wanted: &dyn Fn(&str) -> bool) -> Listed {
        let named = of.named.iter().filter(|(name, _)| wanted(name));
        let one = |(name, secret): (&String, &crate::context::store::Secret)| {
            let details = secret.attributes.iter().filter(|(key, _)| secrets || is_shown(key));
            let details = details.map(|(key, value)| (key.clone(), value.clone())).collect();
            (name.clone(), One { auth_type: secret.auth_type.clone(), details })
        };
        Listed {
            default_credential: of.default_credential.clone(),
            default_region: of.default_region.clone(),
            cloud_credentials: named.map(one).collect(),
        }
    }

    /// What the controller was told.
    #[must_use]
    pub fn of_controller(
        of: &BTreeMap<CloudName, Credential>,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Listed {
        let named = of.iter().filter(|(name, _)| wanted(name.as_str()));
        let one = |(name, told): (&CloudName, &Credential)| {
            let details = told.attributes.clone();
            (name.to_string(), One { auth_type: told.auth_type.clone(), details })
        };
        Listed { cloud_credentials: named.map(one).collect(), ..Listed::default() }
    }

    /// The names, the usual one marked.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let marked = |name: &String| {
            let usual = self.default_credential.as_ref() == Some(name);
            format!("{name}{}", if usual { "*" } else { "" })
        };
        self.cloud_credentials.keys().map(marked).collect()
    }
}

/// The answer of `show-credential`: by cloud and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Contents {
    /// In the client's own store.
    #[serde(rename = "client-credentials", skip_serializing_if = "Option::is_none")]
    pub client: Option<Shown>,
    /// What the controller was told.
    #[serde(rename = "controller-credentials", skip_serializing_if = "Option::is_none")]
    pub controller: Option<Shown>,
}

type Shown = BTreeMap<String, BTreeMap<String, Content>>;

/// One credential in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Content {
    /// How one logs in, and its attributes.
    pub content: BTreeMap<String, String>,
}

impl Contents {
    /// The same credentials, each with what is in it.
    #[must_use]
    pub fn of(all: &Credentials) -> Contents {
        let part = |listed: &BTreeMap<String, Listed>| -> Shown {
            let of = |listed: &Listed| {
                let named = listed.cloud_credentials.iter();
                named
                    .map(|(name, one)| {
                        let mut content = one.details.clone();
                        content.insert("auth-type".to_owned(), one.auth_type.clone());
                        (name.clone(), Content { content })
                    })
                    .collect::<BTreeMap<_, _>>()
            };
            let all = listed.iter().map(|(cloud, listed)| (cloud.clone(), of(listed)));
            all.filter(|(_, named)| !named.is_empty()).collect()
        };
        Contents {
            client: all.client.as_ref().map(part),
            controller: all.controller.as_ref().map(part),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.client, &self.controller]
            .iter()
            .all(|part| part.as_ref().is_none_or(BTreeMap::is_empty))
    }
}

//! `secrets` and `show-secret` (CLI contract §4.5).

use muster_model::name::Member;
use muster_model::record::{self, SecretOwner, SecretScope};
use muster_model::view::ModelView;
use serde::Serialize;
use serde_json::Value;

/// How the operators' own secrets are owned.
pub const MODEL: &str = "<model>";

/// One secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Secret {
    /// The newest revision, or the one that was asked for.
    pub revision: u32,
    /// The newest revision's keyed checksum.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub checksum: String,
    /// When the revision is too old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// How often it wants a new one; of charms' secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<String>,
    /// When it wants the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotates: Option<String>,
    /// An application, a unit, or [`MODEL`].
    pub owner: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What operators call it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What its charm calls it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// When it was made.
    pub created: String,
    /// When it was changed last.
    pub updated: String,
    /// What it holds, if that was asked for; the only place of a shape that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
    /// Its revisions, if those were asked for, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// Who else may read it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<Access>,
}

/// A revision of a secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Revision {
    /// Its number.
    pub revision: u32,
    /// When it was made.
    pub created: String,
    /// The same: a revision never changes.
    pub updated: String,
    /// When it is too old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// Somebody who may read a secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Access {
    /// Who, as a tag.
    pub target: String,
    /// For how long, as a tag: a relation's, or the model's.
    pub scope: String,
    /// What for.
    pub role: String,
}

impl Secret {
    /// A secret of a model, as of a revision or the newest.
    #[must_use]
    pub fn of(secret: &record::Secret, view: &ModelView, revision: Option<u32>) -> Secret {
        let number = revision.or(secret.newest()).unwrap_or(secret.last);
        let kept = secret.revisions.get(&number);
        let charms = secret.owner != SecretOwner::Model;
        let owner = match &secret.owner {
            SecretOwner::Model => MODEL.to_owned(),
            owner => owner.to_string(),
        };
        let label = secret.label.clone();
        let (name, label) = if charms { (String::new(), label) } else { (label, String::new()) };
        Secret {
            revision: number,
            checksum: kept.map(|kept| kept.checksum.to_string()).unwrap_or_default(),
            expires: kept.and_then(|kept| kept.expires).map(|at| at.to_string()),
            rotation: charms.then(|| secret.rotate.as_str().to_owned()),
            rotates: secret.rotate_at.map(|at| at.to_string()),
            owner,
            description: secret.description.clone(),
            name,
            label,
            created: secret.created.to_string(),
            updated: secret.updated.to_string(),
            content: None,
            revisions: Vec::new(),
            access: access(secret, view),
        }
    }
}

fn access(secret: &record::Secret, view: &ModelView) -> Vec<Access> {
    let one = |(to, scope): (&Member, &SecretScope)| Access {
        target: match to {
            Member::Application(name) => format!("application-{name}"),
            Member::Unit(unit) => unit.tag(),
        },
        scope: match scope {
            SecretScope::Model => format!("model-{}", view.info.id),
            SecretScope::Relation(id) => {
                let key = view.relations.get(id).map(|relation| relation.relation.to_string());
                let key = key.unwrap_or_else(|| id.to_string());
                format!("relation-{}", key.replace(':', ".").replace(' ', "#"))
            }
        },
        role: "view".to_owned(),
    };
    secret.grants.iter().map(one).collect()
}

/// The revisions of a secret, oldest first.
#[must_use]
pub fn revisions(secret: &record::Secret) -> Vec<Revision> {
    let one = |(number, revision): (&u32, &record::SecretRevision)| Revision {
        revision: *number,
        created: revision.created.to_string(),
        updated: revision.created.to_string(),
        expires: revision.expires.map(|at| at.to_string()),
    };
    secret.revisions.iter().map(one).collect()
}

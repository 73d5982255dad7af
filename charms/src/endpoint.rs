//! The endpoints of a charm: where relations dock (hook contract, section 1.3).

use serde::{Deserialize, Serialize};

use crate::is_default;
use crate::name::{InterfaceName, Role};
use crate::yaml::{Field, FieldError, Value};

/// The name and the interface of the endpoint that every charm provides without saying so.
pub const JUJU_INFO: &str = "juju-info";

/// How far the members of a relation see each other.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every unit of one side sees every unit of the other.
    #[default]
    Global,
    /// Only units on the same principal see each other.
    Container,
}

/// One endpoint of a charm, under `provides`, `requires` or `peers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoint {
    /// Which side of a relation it is.
    pub role: Role,
    /// What it speaks; both ends of a relation speak the same.
    pub interface: InterfaceName,
    /// The most relations it takes at once; held to when relating, on the requiring side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Whether the charm works without it. Informational.
    #[serde(default, skip_serializing_if = "is_default")]
    pub optional: bool,
    /// Who sees whom.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope: Scope,
}

impl Endpoint {
    /// An endpoint with nothing but a role and an interface.
    #[must_use]
    pub fn new(role: Role, interface: InterfaceName) -> Self {
        Endpoint { role, interface, limit: None, optional: false, scope: Scope::Global }
    }
}

/// Reads a relation spec: the bare interface, or a map.
pub(crate) fn read(field: &Field<'_>, role: Role) -> Result<Endpoint, FieldError> {
    if field.node().as_str().is_some() {
        return Ok(Endpoint::new(role, field.parse()?));
    }
    let mut endpoint = Endpoint::new(role, field.need("interface")?.parse()?);
    if let Some(limit) = field.get("limit")? {
        endpoint.limit = Some(limit.count()?);
    }
    endpoint.optional = field.boolean_of("optional")?;
    if let Some(scope) = field.get("scope")? {
        endpoint.scope = match &scope.node().value {
            Value::String(word) if word == "global" => Scope::Global,
            Value::String(word) if word == "container" => Scope::Container,
            _ => return Err(scope.error("expected `global` or `container`")),
        };
    }
    Ok(endpoint)
}

//! `goal-state` and `credential-get` (hook contract, sections 5.4, 6.2 and 6.4).

use muster_console::flags::{Line, Usage};
use muster_console::format::{Format, OUTPUT};
use serde_json::{Value, json};

use super::{Given, Result, Stop, fail1, smart};
use crate::hook::context::Context;

pub(super) const STATE: Usage = Usage {
    flags: &[OUTPUT],
    ..Usage::of("goal-state", "", "Print which units and relations there will be.")
};

pub(super) const CREDENTIAL: Usage = Usage {
    flags: &[OUTPUT],
    ..Usage::of("credential-get", "", "Print the cloud's credential, for trusted applications.")
};

pub(super) async fn state(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(0)?;
    if Format::asked(line, Format::Yaml)? == Format::Smart {
        return Err(line.bad("format", "unknown format \"smart\"").into());
    }
    let view = context.view().await.map_err(|error| Stop::from_error(&error))?;
    Ok(Given::Data(view.goal_state.clone(), Format::Yaml))
}

/// The substrate has no credentials: what is shown is its description, with an empty credential.
pub(super) fn credential(context: &Context, format: Option<Format>) -> Result<Given> {
    if !context.wanted().is_some_and(|goal| goal.trust) {
        return Err(fail1("cannot access cloud credentials: permission denied"));
    }
    if format == Some(Format::Json) {
        return smart(json!({
            "type": "muster", "name": "localhost",
            "is-controller-cloud": true,
            "credential": { "auth-type": "empty", "attrs": {} },
        }));
    }
    smart(json!({
        "type": "muster", "name": "localhost", "region": "", "endpoint": "",
        "identityendpoint": "", "storageendpoint": "", "cacertificates": [],
        "skiptlsverify": false, "iscontrollercloud": true,
        "credential": { "authtype": "empty", "attributes": {}, "redacted": Value::Bool(false) },
    }))
}

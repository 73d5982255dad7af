//! `is-leader`, `leader-get`, `leader-set` (hook contract, sections 4.7 and 5.4).

use std::sync::Arc;

use muster_console::flags::{Line, Usage};
use muster_console::format::OUTPUT;
use muster_model::effects::apply_change;
use muster_model::report::NowReport;
use serde_json::Value;

use super::settings_file::pairs;
use super::{Given, Result, fail1, fail2, smart};
use crate::hook::context::Context;

pub(super) const IS: Usage = Usage {
    flags: &[OUTPUT],
    details: "True is certain for 30 seconds from the call.",
    ..Usage::of("is-leader", "", "Print whether this unit leads its application.")
};

pub(super) const GET: Usage = Usage {
    flags: &[OUTPUT],
    ..Usage::of("leader-get", "[<key>]", "Print the leader's settings.")
};

pub(super) const SET: Usage = Usage {
    details: "Seen at once by all units. An empty value deletes the key.",
    ..Usage::of("leader-set", "<key>=<value> [...]", "Write the leader's settings.")
};

pub(super) async fn is(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(0)?;
    let leads = context.leads().await.map_err(fail1)?;
    smart(Value::Bool(leads))
}

pub(super) fn get(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let settings = context.cache.leader.as_ref().map(|(_, settings)| settings);
    match line.word(0) {
        Some(key) if key.contains('=') => Err(fail2(format!("invalid key {key:?}"))),
        Some(key) if key != "-" => {
            let value = settings.and_then(|settings| settings.get(key)).cloned();
            smart(value.map_or(Value::Null, Value::String))
        }
        _ => {
            let all = settings.map(|settings| serde_json::json!(**settings));
            smart(all.unwrap_or_else(|| serde_json::json!({})))
        }
    }
}

pub(super) async fn set(context: &mut Context, line: &Line) -> Result<Given> {
    let change = pairs(&line.words)?
        .into_iter()
        .map(|(key, value)| (key, (!value.is_empty()).then_some(value)))
        .collect();
    let refused = "cannot write leadership settings: cannot write settings: not the leader";
    if !context.leads().await.map_err(fail1)? {
        return Err(fail1(refused));
    }
    if line.words.is_empty() {
        return Ok(Given::Nothing);
    }
    let receipt = context
        .tell(NowReport::LeaderSettings(change))
        .await
        .map_err(|reason| fail1(format!("cannot write leadership settings: {reason}")))?;
    let change = pairs(&line.words)?
        .into_iter()
        .map(|(key, value)| (key, (!value.is_empty()).then_some(value)))
        .collect();
    let kept = context.cache.leader.get_or_insert_default();
    apply_change(Arc::make_mut(&mut kept.1), &change);
    kept.0 = kept.0.max(receipt.leader_settings);
    Ok(Given::Nothing)
}

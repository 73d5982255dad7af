//! `status-get`, `status-set`, `application-version-set`.

use muster_console::flags::{Flag, Line, Usage};
use muster_console::format::{Format, OUTPUT};
use muster_model::report::NowReport;
use muster_model::status::Workload;
use serde_json::{Value, json};

use super::{Given, Result, Stop, fail1, fail2, smart};
use crate::hook::context::Context;

const APPLICATION: Flag =
    Flag::switch(&["application"], "The application's status, not the unit's; for the leader.");

pub(super) const SET: Usage = Usage {
    flags: &[&[APPLICATION]],
    details: "The status is seen at once, whatever becomes of the hook. Without a message the one\n\
              that was there is cleared.",
    ..Usage::of(
        "status-set",
        "<maintenance | blocked | waiting | active> [<message>]",
        "Say how the workload stands.",
    )
};

pub(super) const GET: Usage = Usage {
    flags: &[OUTPUT, &[APPLICATION, Flag::switch(&["include-data"], "Print all that is known.")]],
    ..Usage::of("status-get", "", "Print how the workload stands.")
};

pub(super) const VERSION: Usage = Usage::of(
    "application-version-set",
    "<version>",
    "Say which version of the workload runs; status shows it for the application.",
);

pub(super) async fn set(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(2)?;
    let Some(word) = line.word(0) else {
        return Err(fail2("invalid args, require <status> [message]"));
    };
    let value = match word {
        "maintenance" => Workload::Maintenance,
        "blocked" => Workload::Blocked,
        "waiting" => Workload::Waiting,
        "active" => Workload::Active,
        other => {
            return Err(fail2(format!(
                "invalid status {other:?}, expected one of [maintenance blocked waiting active]"
            )));
        }
    };
    let message = line.word(1).unwrap_or_default().to_owned();
    if line.on("application") {
        if !context.leads().await.map_err(fail1)? {
            return Err(fail1("this unit is not the leader"));
        }
        let now = NowReport::ApplicationStatus { value, message: message.clone() };
        context.tell(now).await.map_err(fail1)?;
        context.said(&["application"], value, &message);
        return Ok(Given::Nothing);
    }
    let now = NowReport::Status { value, message: message.clone() };
    context.tell(now).await.map_err(fail1)?;
    context.said(&["unit"], value, &message);
    let own = context.unit.to_string();
    context.said(&["units", &own], value, &message);
    context.status = Some((value, message));
    Ok(Given::Nothing)
}

pub(super) async fn version(context: &mut Context, line: &Line) -> Result<Given> {
    let version = line.need(0, "version")?.to_owned();
    line.at_most(1)?;
    context.tell(NowReport::WorkloadVersion(version)).await.map_err(fail1)?;
    Ok(Given::Nothing)
}

pub(super) async fn get(
    context: &mut Context,
    line: &Line,
    format: Option<Format>,
) -> Result<Given> {
    line.at_most(0)?;
    let application = line.on("application");
    if application && !context.leads().await.map_err(fail1)? {
        return Err(fail1("finding application status: this unit is not the leader"));
    }
    let view = context.view().await.map_err(|error| Stop::from_error(&error))?;
    let known = &view.status;
    let data = line.on("include-data");
    let bare = format.unwrap_or_default() == Format::Smart && !data;
    if application {
        let status = known.get("application").cloned().unwrap_or(Value::Null);
        if bare {
            return smart(status.get("status").cloned().unwrap_or(Value::Null));
        }
        let units: serde_json::Map<String, Value> = known
            .get("units")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(unit, status)| (unit.clone(), shape(status, data)))
            .collect();
        let mut whole = shape(&status, data);
        if let Value::Object(whole) = &mut whole {
            whole.insert("units".to_owned(), Value::Object(units));
        }
        return smart(json!({ "application-status": whole }));
    }
    let status = known.get("unit").cloned().unwrap_or_else(|| known.clone());
    if bare {
        return smart(status.get("status").cloned().unwrap_or(Value::Null));
    }
    smart(shape(&status, data))
}

fn shape(status: &Value, data: bool) -> Value {
    let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default();
    if !data {
        return json!({ "status": text("status") });
    }
    let details = status.get("status-data").cloned().unwrap_or_else(|| json!({}));
    json!({ "status": text("status"), "message": text("message"), "status-data": details })
}

impl Stop {
    /// A call to the controller that failed.
    pub(super) fn from_error(error: &(dyn std::error::Error + 'static)) -> Stop {
        fail1(muster_console::outcome::Chain(error).to_string())
    }
}

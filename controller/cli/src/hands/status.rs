//! `status`: once, or drawn again as things change.

use std::time::Duration;

use muster_console::format::Format;
use muster_model::Revision;
use muster_model::view::{Condition, ViewRequest, Wait};

use super::session::{Focus, Session};
use crate::clock::{Zone, now};
use crate::commands::status::Status;
use crate::failure::Failure;
use crate::neutral::neutral;
use crate::print::status as print;
use crate::shape::status::{Beside, Status as Shape};
use crate::shape::{self, select};

/// The number whose dialect is spoken (CLI contract §1.8).
pub(super) const DIALECT: &str = "3.6.11";

pub(super) async fn status(session: &mut Session<'_>, act: &Status) -> Result<(), Failure> {
    let utc = act.utc || session.desk.var("JUJU_STATUS_ISO_TIME").is_some_and(|v| v != "false");
    let zone = Zone::of(utc);
    let focus = session.focus().await?;
    let (shape, mut revision) = patiently(&focus, session, act, &zone).await?;
    let Some(pause) = act.watch.filter(|_| session.desk.terminals.stdout) else {
        return show(session, act, &shape);
    };
    let mut shape = shape;
    loop {
        let text = print::tabular(&shape, act.sections);
        session.desk.raw(&format!("\u{1b}[H\u{1b}[2J{}", neutral(&text)))?;
        tokio::time::sleep(pause).await;
        let condition = Condition::Changed { after: Revision(revision) };
        focus.wait(&Wait { condition, timeout_ms: 20_000 }).await?;
        (shape, revision) = patiently(&focus, session, act, &zone).await?;
    }
}

/// The status, asked for again for a while when nobody answers.
async fn patiently(
    focus: &Focus,
    session: &Session<'_>,
    act: &Status,
    zone: &Zone,
) -> Result<(Shape, u64), Failure> {
    let data = matches!(session.request.style.as_str(), "json" | "yaml");
    let what = ViewRequest { storage: data || act.sections.storage, ..ViewRequest::default() };
    let mut turn = 0;
    let view = loop {
        match focus.on.client.view(focus.id, &what).await {
            Ok(view) => break view,
            Err(error) if error.is_passing() && turn < act.retries => {
                turn += 1;
                tokio::time::sleep(act.retry_delay.min(Duration::from_secs(60))).await;
            }
            Err(error) => return Err(focus.on.failed(error)),
        }
    };
    let beside = Beside { controller: &focus.on.chosen.name, zone, now: now(), version: DIALECT };
    let mut shape = Shape::of(&view, &beside);
    if !act.selectors.is_empty() {
        select::keep(&mut shape, &act.selectors);
    }
    Ok((shape, view.revision.0))
}

fn show(session: &mut Session<'_>, act: &Status, shape: &Shape) -> Result<(), Failure> {
    let style = session.request.style.as_str();
    let text = match style {
        "json" => Format::Json.render(&shape::value(shape)),
        "yaml" => Format::Yaml.render(&shape::value(shape)),
        "line" | "short" | "oneline" => print::lines(shape),
        "summary" => print::summary(shape),
        _ => print::tabular(shape, act.sections),
    };
    let empty = style == "tabular" && print::is_empty(shape);
    session.put(&text)?;
    if empty {
        let name = &shape.model.name;
        session.desk.say(&if act.selectors.is_empty() {
            format!("\nModel \"{name}\" is empty.")
        } else {
            "\nNothing matched specified filters.".to_owned()
        });
    }
    Ok(())
}

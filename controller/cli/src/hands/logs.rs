//! `debug-log`.

use futures_util::{StreamExt, pin_mut};
use muster_api::body::LogLine;
use muster_api::client::LogQuery;

use super::session::Session;
use crate::clock::Zone;
use crate::commands::logs::DebugLog;
use crate::failure::Failure;

/// No line of a log comes near this; a longer one is not a log's.
const LONGEST: usize = 4 << 20;

pub(super) async fn debug_log(session: &mut Session<'_>, act: &DebugLog) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let query = LogQuery {
        last: act.lines,
        follow: act.tail.unwrap_or(session.desk.terminals.stdout),
        level: act.level.clone(),
        include: act.include.join(","),
        exclude: act.exclude.join(","),
        include_module: act.include_module.join(","),
        exclude_module: act.exclude_module.join(","),
    };
    let zone = Zone::of(act.utc);
    let mut left = act.limit;
    let stream = focus.on.client.logs(focus.id, &query).await.map_err(|e| focus.on.failed(e))?;
    pin_mut!(stream);
    let mut held: Vec<u8> = Vec::new();
    while let Some(piece) = stream.next().await {
        held.extend_from_slice(&piece.map_err(|error| focus.on.failed(error))?);
        if held.len() > LONGEST {
            return Err(Failure::new(format!(
                "cannot read the log: a line is longer than {LONGEST} bytes"
            )));
        }
        let mut text = String::new();
        let end = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = held.drain(..end).collect();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if left == Some(0) {
                break;
            }
            left = left.map(|left| left - 1);
            let line: LogLine = serde_json::from_slice(line)
                .map_err(|error| Failure::tried("cannot read the log", &error))?;
            text.push_str(&written(&line, &zone, act));
        }
        session.desk.data(&text)?;
        if left == Some(0) {
            break;
        }
    }
    Ok(())
}

/// `<entity>: HH:MM:SS LEVEL <module> <message>`.
fn written(line: &LogLine, zone: &Zone, act: &DebugLog) -> String {
    let time = zone.log(line.at, act.date, act.ms);
    format!("{}: {time} {} {} {}\n", line.entity, line.level, line.module, line.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Said, parse};

    #[test]
    fn a_line_has_the_contracts_shape() {
        let words = ["debug-log", "--utc", "--date", "--ms"].map(str::to_owned);
        let Ok(Said::Request(request)) = parse(&words) else { panic!() };
        let crate::Act::DebugLog(act) = request.act else { panic!() };
        let line = LogLine {
            at: muster_model::Timestamp(1_769_854_830_123),
            entity: "unit-wiki-0".to_owned(),
            level: "INFO".to_owned(),
            module: "unit.wiki/0.juju-log".to_owned(),
            message: "ready".to_owned(),
        };
        assert_eq!(
            written(&line, &Zone::of(true), &act),
            "unit-wiki-0: 2026-01-31 10:20:30.123 INFO unit.wiki/0.juju-log ready\n"
        );
    }
}

//! `secret-add`, `secret-set`, `secret-remove`.

use std::io::Read as _;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use muster_console::duration::GoDuration;
use muster_console::flags::Line;
use muster_model::Timestamp;
use muster_model::effects::SecretChange;
use muster_model::record::{RotatePolicy, SecretOwner};
use muster_model::secret::{self, Content, Given as Source, MAX_BYTES, Plain, SecretId};

use super::super::{Caller, Given, Result, fail1, fail2};
use super::{failed, managed, may_manage, needed, owned};
use crate::hook::context::Context;

/// Sealed bytes that one run may report: a report has a limit, and its journal is one file.
const MOST: usize = 2 << 20;

pub(in super::super) async fn add(
    context: &mut Context,
    line: &Line,
    caller: &Caller<'_>,
) -> Result<Given> {
    let owner = match line.last("owner") {
        None | Some("application") => SecretOwner::Application(context.unit.application.clone()),
        Some("unit") => SecretOwner::Unit(context.unit.clone()),
        Some(other) => return Err(fail2(format!("secret owner {other:?} not valid"))),
    };
    let about = about(context, line)?;
    let Some(content) = content(&line.words, line, caller)? else {
        return Err(fail2("missing secret value or filename"));
    };
    may_manage(context, &owner).await?;
    free(context, &owner, about.label.as_deref(), None).await?;
    let id = SecretId::from_random(random()?);
    let mut change = SecretChange { add: Some(owner.clone()), ..about };
    seal(context, &id, Some(&owner), content, &mut change).await?;
    context.effects.secrets.insert(id.clone(), change);
    Ok(Given::Raw(format!("secret:{id}\n").into_bytes()))
}

pub(in super::super) async fn set(
    context: &mut Context,
    line: &Line,
    caller: &Caller<'_>,
) -> Result<Given> {
    let id = needed(context, line)?;
    let about = about(context, line)?;
    let content = content(line.words.get(1..).unwrap_or_default(), line, caller)?;
    let owner = managed(context, &id).await?;
    free(context, &owner, about.label.as_deref(), Some(&id)).await?;
    let mut change = context.effects.secrets.get(&id).cloned().unwrap_or_default();
    let SecretChange { label, description, rotate, expires, .. } = about;
    change.label = label.or(change.label);
    change.description = description.or(change.description);
    change.rotate = rotate.or(change.rotate);
    change.expires = expires.or(change.expires);
    if let Some(content) = content {
        let fresh = change.add.clone();
        seal(context, &id, fresh.as_ref(), content, &mut change).await?;
    }
    context.effects.secrets.insert(id, change);
    Ok(Given::Nothing)
}

pub(in super::super) async fn remove(context: &mut Context, line: &Line) -> Result<Given> {
    let id = needed(context, line)?;
    line.at_most(1)?;
    let revision: Option<u32> = line.parsed("revision")?;
    managed(context, &id).await?;
    let made = context.effects.secrets.get(&id).is_some_and(|change| change.add.is_some());
    match revision {
        // Of what this run made nothing is left, and so nothing to be told.
        _ if made => drop(context.effects.secrets.remove(&id)),
        None => {
            let change = SecretChange { remove: true, ..SecretChange::default() };
            context.effects.secrets.insert(id.clone(), change);
        }
        Some(revision) => {
            let known = owned(context).await?.secrets.get(&id);
            if known.is_some_and(|secret| !secret.revisions.contains_key(&revision)) {
                return Err(fail1(format!("secret \"{id}\" revision {revision} not found")));
            }
            let change = context.effects.secrets.entry(id.clone()).or_default();
            change.remove_revisions.insert(revision);
        }
    }
    if revision.is_none() || made {
        context.secrets.written.remove(&id);
    }
    Ok(Given::Nothing)
}

/// What the flags say of a secret, beside its content.
fn about(context: &Context, line: &Line) -> Result<SecretChange> {
    let rotate = match line.last("rotate") {
        None => None,
        Some(word) => match RotatePolicy::of(word) {
            Some(policy) => Some(policy),
            None => return Err(fail2(format!("rotate policy {word:?} not valid"))),
        },
    };
    let expires = match line.last("expire") {
        None => None,
        Some(text) => Some(
            moment(text, context.world.clock.now())
                .ok_or_else(|| fail2(format!("expire time or duration {text:?} not valid")))?,
        ),
    };
    Ok(SecretChange {
        label: line.last("label").map(str::to_owned),
        description: line.last("description").map(str::to_owned),
        rotate,
        expires,
        ..SecretChange::default()
    })
}

/// A duration from now, or a time in RFC 3339, which may be without a zone and then is UTC. Only what
/// lies ahead.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(span) = text.parse::<GoDuration>() {
        return span.positive().filter(|span| *span > Duration::ZERO).map(|span| now + span);
    }
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let plain: DateTime = text.parse().ok()?;
        Some(plain.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(Timestamp(at.as_millisecond())).filter(|at| *at > now)
}

/// What `--file` or the words say; none if neither is there. The file wins.
fn content(words: &[String], line: &Line, caller: &Caller<'_>) -> Result<Option<Content>> {
    let givens = match line.last("file") {
        Some("-") => secret::from_file(caller.stdin.unwrap_or_default()),
        Some(file) => {
            let bytes = read(caller, file, 4 << 20)?;
            secret::from_file(bytes.expose())
        }
        None if words.is_empty() => return Ok(None),
        None => secret::from_words(words),
    };
    let mut values = std::collections::BTreeMap::new();
    for (key, given) in givens.map_err(|bad| fail1(bad.to_string()))? {
        let value = match given {
            Source::Value(value) => value,
            Source::File(path) => read(caller, &path, MAX_BYTES as u64)?,
        };
        values.insert(key, value);
    }
    Content::new(values).map(Some).map_err(|bad| fail1(bad.to_string()))
}

/// A file's bytes, and one more than `most` if it has more: then it is too long, which is said of the
/// content as a whole.
fn read(caller: &Caller<'_>, path: &str, most: u64) -> Result<Plain> {
    let failed = |error| fail1(format!("cannot read {path:?}: {error}"));
    let file = std::fs::File::open(caller.cwd.join(path)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Plain::new(bytes))
}

fn random() -> Result<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| fail1(format!("no random bytes: {error}")))?;
    Ok(u128::from_be_bytes(bytes))
}

/// Has the content sealed, and keeps it in clear for this run.
async fn seal(
    context: &mut Context,
    id: &SecretId,
    fresh: Option<&SecretOwner>,
    content: Content,
    change: &mut SecretChange,
) -> Result<()> {
    let others = context.effects.secrets.iter().filter(|(other, _)| *other != id);
    let before: usize =
        others.filter_map(|(_, other)| other.content.as_ref()).map(|c| c.bytes.0.len()).sum();
    let world = context.world.clone();
    let sealed = world.controller.seal(&context.unit, id, fresh, &content).await;
    let sealed = sealed.map_err(|error| failed(&error))?;
    if before + sealed.bytes.0.len() > MOST {
        return Err(fail1(format!("one hook writes at most {MOST} bytes of secrets")));
    }
    change.content = Some(sealed);
    // What was read of the content before is not what is tracked now.
    change.track = false;
    context.secrets.written.insert(id.clone(), content);
    Ok(())
}

/// Refuses a label that another secret of the owner has, in this run or before it.
async fn free(
    context: &mut Context,
    owner: &SecretOwner,
    label: Option<&str>,
    own: Option<&SecretId>,
) -> Result<()> {
    let Some(label) = label.filter(|label| !label.is_empty()) else { return Ok(()) };
    let taken = super::read::labelled(context, owner, label).await?;
    if taken.is_some_and(|id| Some(&id) != own) {
        return Err(fail1(format!("secret with label {label:?} already exists")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_duration_or_a_time_that_lies_ahead() {
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let now = at("2026-01-31T10:00:00Z");
        for (text, end) in [
            ("24h", "2026-02-01T10:00:00Z"),
            ("90m", "2026-01-31T11:30:00Z"),
            ("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-02-01T00:00:00+01:00", "2026-01-31T23:00:00Z"),
            ("2026-02-01T00:00:00", "2026-02-01T00:00:00Z"),
        ] {
            assert_eq!(moment(text, now), Some(at(end)), "{text}");
        }
        for wrong in ["", "0s", "-1h", "soon", "2026-01-31T09:00:00Z", "7"] {
            assert_eq!(moment(wrong, now), None, "{wrong}");
        }
    }
}

//! Deploying a charm and refreshing an application.
//!
//! Everything that this side can know is checked first: that the folder is a charm, that options,
//! resources and storages are the charm's, that files are there. Then bytes are sent, the charm is
//! made known, and one command does the rest or nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_charms::Charm;
use muster_model::command::{
    AddCharm, Deploy as DeployCommand, ModelCommand, Refresh as RefreshCommand, ResourceFile,
};
use muster_model::name::{ApplicationName, CharmUrl, EndpointName, OptionName, ResourceName};
use muster_model::record::Placement;
use muster_model::reply::Outcome;
use muster_model::view::{Condition, ViewRequest, Wait, uptake};
use muster_resources::archive::{self, Limits};

use super::charm::{source, warn};
use super::session::{Controller, Focus, Session};
use super::upload::{Measured, measure, resource, send};
use super::{bundle, files, tree};
use crate::commands::deploy::{Deploy, Refresh};
use crate::failure::Failure;

/// How long `deploy` waits for units to show in status. They are made within milliseconds; past
/// this the controller is in trouble, and the operator is told instead of kept.
const UNITS_SHOW: u64 = 30_000;

/// A charm on this side: read, and packed.
pub(super) struct Local {
    pub(super) charm: Charm,
    pub(super) file: Measured,
    /// Where a folder was packed to; removed when this goes.
    _packed: Option<Packed>,
}

struct Packed(PathBuf);

impl Drop for Packed {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "a packed charm stays");
        }
    }
}

/// Packs the charm that a folder is or stands for.
async fn pack(session: &mut Session<'_>, path: &Path) -> Result<(Measured, Packed), Failure> {
    let source = source(session.desk, path, &[])?;
    warn(session.desk, &source.tree, path);
    let folder = session.store.folder().join("packed");
    let to = folder.join(format!("{}.charm", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::tried(format!("cannot make `{}`", folder.display()), &error))?;
    let packed = Packed(to.clone());
    let from = source.path().to_owned();
    let what = || format!("cannot pack `{}`", path.display());
    let done = tokio::task::spawn_blocking(move || archive::pack(&from, &to, &Limits::charm()));
    let result = match done.await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => return Err(Failure::tried(what(), &error)),
        Err(error) => return Err(Failure::tried(what(), &error)),
    };
    let file = Measured { path: packed.0.clone(), digest: result.digest, size: result.bytes };
    Ok((file, packed))
}

/// Reads and packs the charm at `path`, a folder or a file.
pub(super) async fn local(session: &mut Session<'_>, path: &Path) -> Result<Local, Failure> {
    let what = || format!("cannot read charm `{}`", path.display());
    let meta = std::fs::metadata(path).map_err(|error| {
        Failure::tried(what(), &error)
            .hint("A path to a charm starts with . or / and is a folder or a packed .charm file.")
    })?;
    let mut packed = None;
    let file = if meta.is_dir() {
        let (file, whole) = pack(session, path).await?;
        packed = Some(whole);
        file
    } else {
        measure(session, path).await?
    };
    let archive = file.path.clone();
    let read = tokio::task::spawn_blocking(move || {
        let wanted = |name: &str| !name.contains('/') && tree::says_what_it_is(name);
        archive::read_files(&archive, &Limits::charm(), wanted)
    });
    let entries = match read.await {
        Ok(Ok(entries)) => entries,
        Ok(Err(error)) => return Err(Failure::tried(what(), &error)),
        Err(error) => return Err(Failure::tried(what(), &error)),
    };
    let charm = Charm::read(&entries).map_err(|error| Failure::tried(what(), &error))?;
    Ok(Local { charm, file, _packed: packed })
}

/// Sends a charm and makes it known.
pub(super) async fn make_known(
    session: &mut Session<'_>,
    focus: &Focus,
    local: &Local,
) -> Result<CharmUrl, Failure> {
    let name = local.charm.metadata.name.as_str().to_owned();
    send(session, &focus.on, &local.file, &format!("charm {name}")).await?;
    let add = AddCharm { digest: local.file.digest, size: local.file.size, charm: None };
    let what = format!("cannot add charm \"{name}\"");
    let reply = focus.tell(ModelCommand::AddCharm(add)).await.map_err(|f| f.while_trying(what))?;
    match reply.outcome {
        Outcome::Charm(url) => Ok(url),
        other => {
            Err(Failure::new(format!("cannot add charm \"{name}\": unexpected answer {other:?}")))
        }
    }
}

/// Sends the files of resources.
pub(super) async fn send_resources(
    session: &mut Session<'_>,
    on: &Controller,
    resources: &BTreeMap<ResourceName, String>,
) -> Result<BTreeMap<ResourceName, ResourceFile>, Failure> {
    let mut all = BTreeMap::new();
    for (name, typed) in resources {
        all.insert(name.clone(), resource(session, on, name.as_str(), typed).await?);
    }
    Ok(all)
}

/// Refuses options, resources and storages that the charm does not have, and values that do not
/// fit, before a byte is sent.
pub(super) fn check(
    session: &Session<'_>,
    charm: &Charm,
    config: &BTreeMap<OptionName, String>,
    resources: &BTreeMap<ResourceName, String>,
) -> Result<(), Failure> {
    let name = &charm.metadata.name;
    for (key, value) in config {
        let Some(option) = charm.options.get(key) else {
            let known: Vec<&str> = charm.options.keys().map(OptionName::as_str).collect();
            return Err(Failure::new(format!("unknown option \"{key}\" of charm \"{name}\""))
                .hint(format!("It has: {}.", listed(&known))));
        };
        if let Err(error) = option.kind.parse_text(value) {
            return Err(Failure::new(format!("option \"{key}\" of charm \"{name}\": {error}"))
                .hint(format!("Give it a value of type {}: --config {key}=VALUE", option.kind)));
        }
    }
    for (key, typed) in resources {
        if !charm.metadata.resources.contains_key(key) {
            let known: Vec<&str> =
                charm.metadata.resources.keys().map(ResourceName::as_str).collect();
            return Err(Failure::new(format!("unknown resource \"{key}\" of charm \"{name}\""))
                .hint(format!("It has: {}.", listed(&known))));
        }
        let path = session.desk.path(typed);
        if !path.is_file() {
            return Err(Failure::new(format!(
                "resource \"{key}\": file `{}` not found",
                path.display()
            ))
            .hint(format!("Name a file that is there: --resource {key}=PATH")));
        }
    }
    Ok(())
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

pub(super) async fn deploy(session: &mut Session<'_>, act: &Deploy) -> Result<(), Failure> {
    if !act.is_local() {
        return Err(no_store(&act.source));
    }
    let path = session.desk.path(&act.source);
    if bundle::is_one(&path) {
        return bundle::deploy(session, act, &path).await;
    }
    if let Some(flag) = (!act.overlays.is_empty())
        .then_some("overlay")
        .or(act.map_machines.as_ref().map(|_| "map-machines"))
    {
        return Err(Failure::from(muster_console::flags::UsageError::rule(format!(
            "flags provided but not supported when deploying a charm: --{flag}"
        ))));
    }
    let local = local(session, &path).await?;
    let application = match &act.application {
        Some(name) => name.clone(),
        None => local.charm.metadata.name.clone(),
    };
    let trying = format!("cannot deploy \"{application}\"");
    let config = files::config(session.desk, &act.config, application.as_str())?;
    check(session, &local.charm, &config, &act.resources).map_err(|f| f.while_trying(&trying))?;
    let subordinate = local.charm.metadata.subordinate;
    if subordinate
        && (act.units.is_some_and(|n| n != 1)
            || !act.placements.is_empty()
            || !act.constraints.is_empty())
    {
        return Err(Failure::from(muster_console::flags::UsageError::rule(format!(
            "cannot use --num-units, --to or --constraints with subordinate application \"{application}\""
        ))));
    }
    let absent = local.charm.metadata.resources.keys();
    for resource in absent.filter(|resource| !act.resources.contains_key(*resource)) {
        session.desk.say(&format!(
            "Resource \"{resource}\" is not given; `{} attach-resource {application} \
             {resource}=PATH` gives it later",
            session.desk.program
        ));
    }
    let units = if subordinate { 0 } else { act.units.unwrap_or(1) as usize };
    let mut placements = act.placements.clone();
    if placements.len() > units {
        session.desk.warn(&format!(
            "{} placements for {units} units: the rest is ignored",
            placements.len()
        ));
    }
    placements.resize(units, Placement::Anywhere);
    if act.dry_run {
        return dry_run(session, &application, &local, units);
    }
    let focus = session.focus().await?;
    let charm = make_known(session, &focus, &local).await?;
    session
        .desk
        .say(&format!("Located local charm \"{}\", revision {}", charm.name, charm.revision));
    let resources = send_resources(session, &focus.on, &act.resources).await?;
    let command = DeployCommand {
        application: application.clone(),
        charm: charm.clone(),
        channel: act.channel.clone(),
        placements,
        config,
        trust: act.trust,
        constraints: act.constraints.clone(),
        base: act.base.clone(),
        storage: act.storage.clone(),
        attach_storage: act.attach_storage.clone(),
        resources,
        bindings: named(&act.bindings),
        force: act.force,
    };
    let reply =
        focus.tell(ModelCommand::Deploy(command)).await.map_err(|f| f.while_trying(trying))?;
    let (made, base) = match reply.outcome {
        Outcome::Application { units, base, .. } => (units as usize, base),
        _ => (units, None),
    };
    let on = base.as_ref().map_or_else(String::new, |on| format!(" on {}", on.base.release()));
    session.desk.say(&format!(
        "Deploying \"{application}\" from local charm \"{}\", revision {}{on}",
        charm.name, charm.revision
    ));
    if let Some(notice) = base.and_then(|base| base.notice()) {
        session.desk.say(&notice);
    }
    until_units(session, &focus, &application, made).await
}

/// The bindings of endpoints. The default space is the one there is, so it says nothing.
fn named(bindings: &BTreeMap<Option<EndpointName>, String>) -> BTreeMap<EndpointName, String> {
    let named = bindings.iter();
    named.filter_map(|(endpoint, space)| Some((endpoint.clone()?, space.clone()))).collect()
}

fn no_store(name: &str) -> Failure {
    Failure::new(format!("cannot deploy \"{name}\": no charm store is set up here")).hint(format!(
        "For a charm on this disk, write its path: ./{}",
        name.trim_start_matches("ch:")
    ))
}

fn dry_run(
    session: &mut Session<'_>,
    application: &ApplicationName,
    local: &Local,
    units: usize,
) -> Result<(), Failure> {
    let charm = &local.charm.metadata.name;
    let text = format!(
        "Changes to deploy \"{application}\":\n- upload charm {charm} ({} bytes, {})\n- deploy application {application} with {units} units\n",
        local.file.size,
        local.file.digest.short()
    );
    session.desk.data(&text)
}

/// Waits until so many units of an application are in status, so that a caller may index them.
pub(super) async fn until_units(
    session: &mut Session<'_>,
    focus: &Focus,
    application: &ApplicationName,
    units: usize,
) -> Result<(), Failure> {
    let what = ViewRequest { applications: application.to_string(), ..ViewRequest::default() };
    let until = crate::clock::now() + std::time::Duration::from_millis(UNITS_SHOW);
    loop {
        let view = focus.view(&what).await?;
        // What is asked for counts, since others may add and remove at the same time.
        let there = view.applications.get(application);
        if there.is_none_or(|a| {
            a.units.len() >= units
                || a.scale.units as usize >= units && a.units.len() >= a.scale.units as usize
        }) {
            return Ok(());
        }
        let left = until.since(crate::clock::now()).as_millis();
        if left == 0 {
            session.desk.warn(&format!(
                "units of \"{application}\" are not in status yet; see \"muster status\""
            ));
            return Ok(());
        }
        let condition = Condition::Changed { after: view.revision };
        let timeout_ms = u64::try_from(left).unwrap_or(UNITS_SHOW);
        focus.wait(&Wait { condition, timeout_ms }).await?;
    }
}

pub(super) async fn refresh(session: &mut Session<'_>, act: &Refresh) -> Result<(), Failure> {
    let application = &act.application;
    let trying = format!("cannot refresh \"{application}\"");
    if let Some(name) = &act.switch
        && !name.starts_with(['.', '/', '~'])
    {
        return Err(no_store(name).while_trying(trying));
    }
    let typed = act.path.as_ref().or(act.switch.as_ref());
    let config = files::config(session.desk, &act.config, application.as_str())?;
    let local = match typed {
        Some(typed) => {
            let path = session.desk.path(typed);
            let local = local(session, &path).await?;
            check(session, &local.charm, &config, &act.resources)
                .map_err(|failure| failure.while_trying(&trying))?;
            Some(local)
        }
        None => None,
    };
    let focus = session.focus().await?;
    let nothing = act.resources.is_empty()
        && config.is_empty()
        && act.storage.is_empty()
        && act.base.is_none()
        && act.bindings.is_empty()
        && act.trust.is_none();
    if local.is_none() && nothing && !act.force_units {
        return Err(Failure::new(format!("{trying}: it was deployed from a path")).hint(format!(
            "Say where the new charm is: muster refresh {application} --path <path>"
        )));
    }
    let charm = match &local {
        Some(local) => Some(make_known(session, &focus, local).await?),
        None => None,
    };
    let resources = send_resources(session, &focus.on, &act.resources).await?;
    let command = RefreshCommand {
        application: application.clone(),
        charm: charm.clone(),
        channel: act.channel.clone(),
        base: act.base.clone(),
        bindings: named(&act.bindings),
        config,
        storage: act.storage.clone(),
        resources,
        force_units: act.force_units,
        force_base: act.force_base,
    };
    let reply =
        focus.tell(ModelCommand::Refresh(command)).await.map_err(|f| f.while_trying(&trying))?;
    if let Some(trust) = act.trust {
        let command = ModelCommand::Configure {
            application: application.clone(),
            set: BTreeMap::new(),
            reset: std::collections::BTreeSet::new(),
            trust: Some(trust),
        };
        focus.tell(command).await.map_err(|failure| failure.while_trying(&trying))?;
    }
    match charm {
        Some(charm) if reply.changed => session.desk.say(&format!(
            "Added local charm \"{}\", revision {}, to the model",
            charm.name, charm.revision
        )),
        _ if !reply.changed => {
            session.desk.say(&format!("application \"{application}\" is already up-to-date"));
        }
        _ => {}
    }
    let what = ViewRequest { applications: application.to_string(), ..ViewRequest::default() };
    let view = focus.view(&what).await?;
    if let Some(seen) = view.applications.get(application) {
        seen.units.values().for_each(|unit| session.desk.say(&uptake(seen, unit)));
    }
    Ok(())
}

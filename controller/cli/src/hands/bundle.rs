//! Deploying a bundle: the difference between the file and the model, as a list of steps.
//!
//! ```text
//! files ─load─▶ Bundle ─charms read─▶ check ─against the view─▶ steps ─▶ printed (dry run) or done
//! ```
//!
//! A dry run is the same list, not carried out. Deploying again changes what differs: charms are
//! refreshed, options set, units added; nothing is removed (CLI contract §8.5).

mod place;
mod step;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_charms::bundle::{Bundle, Source, check};
use muster_charms::name::ApplicationName;
use muster_console::flags::UsageError;
use muster_model::constraints::Constraints;
use muster_model::view::ViewRequest;

use super::deploy::{Local, local};
use super::files;
use super::session::Session;
use crate::commands::deploy::Deploy;
use crate::failure::Failure;
use step::Plan;

/// Whether the path is a bundle and not a charm.
pub(super) fn is_one(path: &Path) -> bool {
    let yaml = |path: &Path| path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    if path.is_dir() {
        return path.join("bundle.yaml").is_file() && !path.join("metadata.yaml").is_file();
    }
    yaml(path)
}

/// Reads a bundle with its overlays.
fn read(session: &Session<'_>, act: &Deploy, path: &Path) -> Result<Bundle, Failure> {
    let file = if path.is_dir() { path.join("bundle.yaml") } else { path.to_owned() };
    let limit = muster_charms::yaml::Limits::BUNDLE.bytes;
    let load = |path: &Path| -> Result<(String, String, Vec<u8>), Failure> {
        let folder = path.parent().map(|p| p.display().to_string()).unwrap_or_default();
        Ok((path.display().to_string(), folder, files::read(path, limit)?))
    };
    let base = load(&file)?;
    let mut overlays = Vec::new();
    for typed in &act.overlays {
        overlays.push(load(&session.desk.path(typed))?);
    }
    let source =
        |(file, folder, bytes): &'_ (String, String, Vec<u8>)| -> (String, String, Vec<u8>) {
            (file.clone(), folder.clone(), bytes.clone())
        };
    let overlays: Vec<(String, String, Vec<u8>)> = overlays.iter().map(source).collect();
    let sources: Vec<Source<'_>> =
        overlays.iter().map(|(file, folder, bytes)| Source { file, folder, bytes }).collect();
    let include =
        |path: &str| files::read(Path::new(path), limit).map_err(|failure| failure.message);
    let constraints = |text: &str| match text.parse::<Constraints>() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    let base = Source { file: &base.0, folder: &base.1, bytes: &base.2 };
    Bundle::load(&base, &sources, &include, &constraints)
        .map_err(|error| Failure::new(format!("cannot deploy bundle: {error}")))
}

pub(super) async fn deploy(
    session: &mut Session<'_>,
    act: &Deploy,
    path: &Path,
) -> Result<(), Failure> {
    if let Some(flag) = act.charm_only.first() {
        return Err(Failure::from(UsageError::rule(format!(
            "flags provided but not supported when deploying a bundle: --{flag}"
        ))));
    }
    if let Some(name) = &act.application {
        return Err(Failure::from(UsageError::Surplus(vec![name.to_string()])));
    }
    let mut bundle = read(session, act, path)?;
    for ((application, storage), directive) in &act.storage_of {
        let Some(spec) = bundle.applications.get_mut(application) else {
            return Err(Failure::new(format!(
                "--storage: application \"{application}\" not found in the bundle"
            )));
        };
        spec.storage.insert(storage.clone(), directive.clone());
    }
    refuse_unsupported(&bundle)?;
    let trusted: Vec<&str> = bundle
        .applications
        .iter()
        .filter(|(_, spec)| spec.trust)
        .map(|(name, _)| name.as_str())
        .collect();
    if !act.trust && !trusted.is_empty() {
        return Err(Failure::new(format!(
            "repeat the deploy command with the --trust argument if you consent to trust the following application(s): {}",
            trusted.join(", ")
        )));
    }
    for key in &bundle.unknown_keys {
        session.desk.warn(&format!("bundle: {key} means nothing here"));
    }
    let charms = charms(session, &bundle).await?;
    let focus = session.focus().await?;
    let what =
        ViewRequest { storage: true, resources: true, charms: true, ..ViewRequest::default() };
    let view = focus.view(&what).await?;
    let plan = Plan::new(session, &bundle, &charms, &view, act.map_machines.as_deref()).await?;
    if plan.steps.is_empty() {
        session.desk.say("No changes to apply.");
        return Ok(());
    }
    let title = if act.dry_run { "Changes to deploy bundle:" } else { "Executing changes:" };
    let lines: String = plan.steps.iter().map(|step| format!("- {step}\n")).collect();
    session.desk.data(&format!("{title}\n{lines}"))?;
    if act.dry_run {
        return Ok(());
    }
    plan.carry_out(session, &focus, &bundle, &charms).await?;
    session.desk.say("Deploy of bundle completed.");
    Ok(())
}

/// What a bundle may say and this controller does not do.
fn refuse_unsupported(bundle: &Bundle) -> Result<(), Failure> {
    let mut problems = Vec::new();
    if !bundle.saas.is_empty() {
        problems.push("saas: offers of other models are not offered yet".to_owned());
    }
    for (name, spec) in &bundle.applications {
        if !spec.is_local() {
            problems.push(format!("application {name}: charm {:?} is a name in a store, and none is set up here; write a path", spec.charm));
        }
        if !spec.offers.is_empty() {
            problems
                .push(format!("application {name}: offers to other models are not offered yet"));
        }
        if !spec.devices.is_empty() {
            problems.push(format!("application {name}: there are no devices to give"));
        }
        if let Some(to) = spec.to.iter().find(|to| to.container.is_some()) {
            problems.push(format!(
                "application {name}: to {to}: containers on machines are not offered"
            ));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("cannot deploy bundle:\n  {}", problems.join("\n  "))))
}

/// Every application's charm, read, composed and packed once for each path.
pub(super) type Charms = BTreeMap<ApplicationName, std::rc::Rc<Local>>;

async fn charms(session: &mut Session<'_>, bundle: &Bundle) -> Result<Charms, Failure> {
    let mut by_path: BTreeMap<PathBuf, std::rc::Rc<Local>> = BTreeMap::new();
    let mut charms = Charms::new();
    for (name, spec) in &bundle.applications {
        let path = session.desk.path(&spec.charm);
        let found = match by_path.get(&path) {
            Some(found) => found.clone(),
            None => {
                let read = local(session, &path)
                    .await
                    .map_err(|failure| failure.while_trying(format!("application {name}")))?;
                let read = std::rc::Rc::new(read);
                by_path.insert(path, read.clone());
                read
            }
        };
        charms.insert(name.clone(), found);
    }
    let own = charms.iter().map(|(name, local)| (name.clone(), local.charm.clone())).collect();
    let problems = check::with_charms(bundle, &own);
    if problems.is_empty() {
        return Ok(charms);
    }
    Err(Failure::new(format!("cannot deploy bundle:\n  {}", problems.join("\n  "))))
}

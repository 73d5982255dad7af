//! Resources: attached and listed.

use muster_charms::name::ResourceName;
use muster_model::command::ModelCommand;
use muster_model::name::ApplicationName;
use muster_model::record;
use muster_model::view::ViewRequest;

use super::config::application;
use super::session::Session;
use super::upload::resource;
use crate::commands::resources::{Attach, Resources};
use crate::failure::Failure;
use crate::print;
use crate::shape::resources as shapes;

pub(super) async fn attach(session: &mut Session<'_>, act: &Attach) -> Result<(), Failure> {
    let (name, app) = (&act.name, &act.application);
    let trying = format!("cannot attach resource \"{name}\" to \"{app}\"");
    let path = session.desk.path(&act.value);
    if !path.is_file() {
        let hint = if act.value.chars().all(|c| c.is_ascii_digit()) {
            "There is no store here whose revisions could be named; write the path of a file."
        } else {
            "Write the path of a file."
        };
        return Err(
            Failure::new(format!("{trying}: file `{}` not found", path.display())).hint(hint)
        );
    }
    let focus = session.focus().await?;
    // Asked before a long upload, and decided again with it.
    let (_, _, charm) = application(&focus, app, ViewRequest::default())
        .await
        .map_err(|failure| failure.while_trying(&trying))?;
    if !charm.metadata.resources.contains_key(name) {
        let known: Vec<&str> = charm.metadata.resources.keys().map(ResourceName::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Failure::new(format!("{trying}: resource \"{name}\" not found"))
            .hint(format!("The charm \"{}\" has: {known}.", charm.metadata.name)));
    }
    let file = resource(session, &focus.on, name.as_str(), &act.value)
        .await
        .map_err(|failure| failure.while_trying(&trying))?;
    let command =
        ModelCommand::AttachResource { application: app.clone(), name: name.clone(), file };
    let reply = focus.tell(command).await.map_err(|failure| failure.while_trying(&trying))?;
    if !reply.changed {
        session.desk.say(&format!("resource \"{name}\" of \"{app}\" is that file already"));
    }
    Ok(())
}

pub(super) async fn list(session: &mut Session<'_>, act: &Resources) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let what = ViewRequest { resources: true, ..ViewRequest::default() };
    let (view, found, charm) = application(&focus, &act.application, what).await?;
    let mut shape = shapes::Resources::default();
    for (name, declared) in &charm.metadata.resources {
        let given =
            view.resources.iter().find(|r| r.application == act.application && r.name == *name);
        shape.resources.push(one(&act.application, name, declared, given));
    }
    if !act.details && act.unit.is_none() {
        return session.write(&shape, || print::resources::tabular(&shape));
    }
    let mut details = Vec::new();
    for (name, unit) in &found.units {
        if act.unit.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        for expected in &shape.resources {
            // A unit fetches what its application has when it next acts on it; one that has acted
            // on the last change has what is expected.
            let current =
                unit.settled && unit.progress.charm_modified == found.application.charm_modified;
            let has = if current {
                expected.clone()
            } else {
                shapes::Resource { name: expected.name.clone(), ..shapes::Resource::default() }
            };
            details.push(shapes::Detail {
                unit_id: name.to_string(),
                unit: has,
                expected: expected.clone(),
                progress: None,
            });
        }
    }
    if let Some(unit) = act.unit.as_ref().filter(|unit| !found.units.contains_key(unit)) {
        return Err(Failure::new(format!("unit \"{unit}\" not found")));
    }
    session.write(&details, || print::resources::details(&details))
}

fn one(
    application: &ApplicationName,
    name: &ResourceName,
    declared: &muster_charms::ResourceSpec,
    given: Option<&record::Resource>,
) -> shapes::Resource {
    let empty = shapes::Resource {
        id: format!("{application}/{name}"),
        application: application.to_string(),
        name: name.to_string(),
        kind: declared.kind.as_str().to_owned(),
        path: declared.filename.clone(),
        description: declared.description.clone(),
        origin: "upload".to_owned(),
        ..shapes::Resource::default()
    };
    match given {
        None => empty,
        Some(given) => shapes::Resource {
            revision: given.uploaded.to_string(),
            fingerprint: given.digest.to_string(),
            size: given.size,
            used: true,
            timestamp: given.uploaded.to_string(),
            username: given.uploaded_by.to_string(),
            ..empty
        },
    }
}

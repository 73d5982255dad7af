//! Lists: machines, storage, pools.

use std::collections::BTreeMap;

use muster_model::view::ViewRequest;

use super::session::Session;
use crate::clock::Zone;
use crate::commands::machines::Machines;
use crate::commands::storage::{Listing, Pools, Storage};
use crate::failure::Failure;
use crate::print;
use crate::shape;

pub(super) async fn machines(session: &mut Session<'_>, act: &Machines) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let view = focus.view(&ViewRequest::default()).await?;
    let mut shape = shape::status::Machines::of(&view, &Zone::of(act.utc));
    if !act.machines.is_empty() {
        let wanted: Vec<String> = act.machines.iter().map(ToString::to_string).collect();
        if let Some(missing) = wanted.iter().find(|id| !shape.machines.contains_key(*id)) {
            return Err(Failure::new(format!("machine \"{missing}\" not found")));
        }
        shape.machines.retain(|id, _| wanted.contains(id));
    }
    session.write(&shape, || print::machines::tabular(&shape))
}

pub(super) async fn storage(session: &mut Session<'_>, act: &Storage) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let view = focus.view(&ViewRequest { storage: true, ..ViewRequest::default() }).await?;
    let mut list = shape::storage::StorageList::of(&view, &Zone::of(false));
    if !act.ids.is_empty() {
        let wanted: Vec<String> = act.ids.iter().map(ToString::to_string).collect();
        if let Some(missing) = wanted.iter().find(|id| !list.storage.contains_key(*id)) {
            return Err(Failure::new(format!("storage \"{missing}\" not found"))
                .hint("\"muster storage\" lists what there is."));
        }
        let of = |id: &Option<String>| id.as_ref().is_some_and(|id| wanted.contains(id));
        list.storage.retain(|id, _| wanted.contains(id));
        list.filesystems.retain(|_, filesystem| of(&filesystem.storage));
        list.volumes.retain(|_, volume| of(&volume.storage));
    }
    if act.show {
        let map: &BTreeMap<_, _> = &list.storage;
        return session.write(map, String::new);
    }
    if list.is_empty() && session.request.style == "tabular" {
        session.desk.say("No storage to display.");
        return Ok(());
    }
    session.write(&list, || match act.kind {
        Listing::Storage => print::storage::list(&list),
        Listing::Filesystems => print::storage::filesystems(&list),
        Listing::Volumes => print::storage::volumes(&list),
    })
}

pub(super) async fn pools(session: &mut Session<'_>, act: &Pools) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let view = focus.view(&ViewRequest { storage: true, ..ViewRequest::default() }).await?;
    let mut pools = shape::storage::pools(&view);
    pools.retain(|name, pool| {
        (act.names.is_empty() || act.names.contains(name))
            && (act.providers.is_empty() || act.providers.contains(&pool.provider))
    });
    session.write(&pools, || print::storage::pools(&pools))
}

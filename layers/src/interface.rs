//! Interface layers go to `hooks/relations/NAME/` (layers document, section 9).

use std::collections::BTreeSet;

use muster_charms::tree::{Item, ItemKind};

use crate::error::{ComposeError, Warning};
use crate::layer::Layer;
use crate::pattern::{ALWAYS, Patterns};

/// The files of the interfaces that `relations` use, with the url of the layer they come from.
pub(crate) fn copies(
    interfaces: &[Layer],
    relations: &[(&'static str, String, String)],
    top: &Layer,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(String, Item, String)>, ComposeError> {
    let mut files = Vec::new();
    let mut done = BTreeSet::new();
    for layer in interfaces {
        let uses = || relations.iter().filter(|(_, _, interface)| *interface == layer.name);
        if uses().next().is_none() {
            warnings.push(Warning::UnusedInterface { include: layer.url.clone() });
            continue;
        }
        for (role, _, _) in uses() {
            if layer.tree.get(&format!("{role}.py")).is_none() {
                return Err(ComposeError::Role { interface: layer.name.clone(), role });
            }
        }
        if !done.insert(&layer.name) {
            continue;
        }
        let lists = ALWAYS.into_iter().chain(layer.hidden.iter().map(String::as_str));
        let hidden = Patterns::new(lists.chain(top.hidden.iter().map(String::as_str)))
            .map_err(|source| ComposeError::Pattern { layer: layer.name.clone(), source })?;
        let folder = format!("hooks/relations/{}", layer.name);
        for (path, item) in layer.tree.iter() {
            if item.kind() == ItemKind::File && !hidden.matches(path) {
                files.push((format!("{folder}/{path}"), item.clone(), layer.url.clone()));
            }
        }
        let init = format!("{folder}/__init__.py");
        if !files.iter().any(|(path, _, _)| *path == init) {
            files.push((init, Item::file(*b""), layer.url.clone()));
        }
    }
    Ok(files)
}

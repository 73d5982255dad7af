//! `deletes`: keys that a layer takes out of a merged file (layers document, section 6.2).
//!
//! The scope is narrower than one would guess, and kept so that charms come out as they always
//! did: the layer right above the highest one that has the file is asked first, then those below;
//! the first that has the section supplies the whole list.

use muster_charms::yaml::{Field, Map, Node, Value};

use crate::error::{ComposeError, Warning};
use crate::layer::Layer;
use crate::origin::Origins;
use crate::rule::Merged;

/// The layer whose list counts, where `highest` is the highest layer that has the file.
fn deciding(merged: Merged, layers: &[Layer], highest: usize) -> Option<usize> {
    (0..=highest + 1)
        .rev()
        .find(|index| layers.get(*index).is_some_and(|l| l.setting(merged.section()).is_some()))
}

/// Takes out what the deciding layer deletes.
pub(crate) fn apply(
    merged: Merged,
    layers: &[Layer],
    highest: usize,
    all: &mut Map,
    origins: &mut Origins,
) -> Result<(), ComposeError> {
    let Some(layer) = deciding(merged, layers, highest).and_then(|index| layers.get(index)) else {
        return Ok(());
    };
    for path in list(merged, layer)? {
        let prefix = if merged == Merged::Config { "options." } else { "" };
        let whole = format!("{prefix}{path}");
        let fail = |missing: &str| ComposeError::DeleteThrough {
            layer: layer.name.clone(),
            file: merged.file().to_owned(),
            path: path.clone(),
            missing: missing.to_owned(),
        };
        let (parents, last) = whole.rsplit_once('.').unwrap_or(("", &whole));
        let mut at = &mut *all;
        for part in parents.split('.').filter(|part| !part.is_empty()) {
            at = match at.get_mut(part).map(|node| &mut node.value) {
                Some(Value::Map(map)) => map,
                _ => return Err(fail(part)),
            };
        }
        at.remove(last);
        origins.forget(merged.file(), &whole);
    }
    Ok(())
}

fn list(merged: Merged, layer: &Layer) -> Result<Vec<String>, ComposeError> {
    let Some(section) = layer.setting(merged.section()) else { return Ok(Vec::new()) };
    let mut node = Map::new();
    node.insert(merged.section(), section.clone());
    let node = Node::new(Value::Map(node));
    let shown = layer.shown("layer.yaml");
    Ok(Field::root(&shown, &node).need(merged.section())?.texts_of("deletes")?)
}

/// Warns of every list that does not count.
pub(crate) fn warn_of_idle(
    merged: Merged,
    layers: &[Layer],
    givers: &[usize],
    warnings: &mut Vec<Warning>,
) {
    let highest = givers.last();
    let decides = highest.and_then(|highest| deciding(merged, layers, *highest));
    for (index, layer) in layers.iter().enumerate() {
        let deletes =
            layer.setting(merged.section()).and_then(|node| node.as_map()?.get("deletes"));
        if deletes.is_none() || decides == Some(index) {
            continue;
        }
        let why = match highest {
            None => "no layer has the file",
            Some(highest) if index > highest + 1 => {
                "only the layer right above the highest one that has the file is asked"
            }
            Some(_) => "a higher layer has a list of its own, which replaces this one",
        };
        warnings.push(Warning::IdleDeletes {
            layer: layer.name.clone(),
            file: merged.file().to_owned(),
            why,
        });
    }
}

//! The fold: all layers, lowest first, into one charm (layers document, section 5).

mod deletes;
mod manifest;
mod plan;

use muster_charms::Tree;
use muster_charms::tree::{Item, ItemKind};
use muster_charms::yaml::{Map, Node, Value, to_text};

use crate::error::{ComposeError, Warning};
use crate::layer::{Layer, Library};
use crate::merge::Merge;
use crate::order::{Order, order};
use crate::origin::{Origin, Origins};
use crate::rule::Merged;
use crate::{hook, interface, layerfile, metadata};
use plan::Plan;

/// What is asked of a composition beside its layers.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The charm's name, where it shall not be that of the top layer's metadata.
    pub name: Option<String>,
    /// What the top layer's folder is called: the name where nothing else says one.
    pub folder: String,
    /// What the source's version control says of it, for the charm's `version` file.
    pub version: Option<String>,
    /// Whether `ignore` drops paths of all lower layers, as it is documented, and not only of the
    /// one right below, as the original tool does.
    pub ignore_all_below: bool,
}

/// A composed charm.
#[derive(Clone, Debug)]
pub struct Composed {
    /// What it is called.
    pub name: String,
    /// Its files, `.build.manifest` among them.
    pub tree: Tree,
    /// Where each file and key came from.
    pub origins: Origins,
    /// The urls of the layers, lowest first, then those of the interfaces.
    pub layers: Vec<String>,
    /// What is worth a word.
    pub warnings: Vec<Warning>,
}

/// Composes the charm whose top layer is `top`.
///
/// The outcome is not checked as a charm; `Charm::read` and the lint do that.
pub fn compose(
    top: &Tree,
    library: &impl Library,
    settings: &Settings,
) -> Result<Composed, ComposeError> {
    let name = charm_name(top, settings)?;
    let Order { layers, interfaces } = order(Layer::read(&name, top, None)?, library)?;
    let mut charm = Build::new(&name, &layers);
    let plan = Plan::new(&layers, settings.ignore_all_below, &mut charm.warnings)?;
    let metadata = charm.merged(&plan)?;
    charm.copies(&plan)?;
    charm.layer_file(&plan)?;
    charm.hooks(&plan, &metadata)?;
    if let Some(top) = layers.last() {
        let relations = metadata::relations(&metadata);
        let files = interface::copies(&interfaces, &relations, top, &mut charm.warnings)?;
        for (path, item, layer) in files {
            charm.put(&path, item, &layer, false)?;
        }
    }
    if let Some(version) = &settings.version {
        charm.put("version", Item::file(version.clone().into_bytes()), &name, true)?;
    }
    let all = || layers.iter().chain(&interfaces);
    let signed = manifest::text(all(), &charm.tree, &charm.origins);
    charm.put(manifest::FILE, Item::file(signed.into_bytes()), "build", true)?;
    Ok(Composed {
        layers: all().map(|layer| layer.url.clone()).collect(),
        tree: charm.tree,
        origins: charm.origins,
        warnings: charm.warnings,
        name,
    })
}

fn charm_name(top: &Tree, settings: &Settings) -> Result<String, ComposeError> {
    let layer = Layer::read("top", top, None)?;
    let written = layer
        .document(Merged::Metadata.file())?
        .and_then(|node| node.as_map()?.get("name")?.scalar_text());
    let name = settings.name.clone().or(written).unwrap_or_else(|| settings.folder.clone());
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(ComposeError::CharmName);
    }
    Ok(name)
}

/// The charm while it is built.
struct Build<'a> {
    name: &'a str,
    layers: &'a [Layer],
    tree: Tree,
    origins: Origins,
    warnings: Vec<Warning>,
}

impl<'a> Build<'a> {
    fn new(name: &'a str, layers: &'a [Layer]) -> Self {
        let (tree, origins) = (Tree::new(), Origins::default());
        Build { name, layers, tree, origins, warnings: Vec::new() }
    }

    fn put(&mut self, path: &str, item: Item, layer: &str, made: bool) -> Result<(), ComposeError> {
        self.tree
            .insert(path, item)
            .map_err(|source| ComposeError::Tree { layer: layer.to_owned(), source })?;
        let origin = Origin { layer: layer.to_owned(), made };
        self.origins.files.insert(path.to_owned(), origin);
        Ok(())
    }

    /// Merges the YAML files and answers the metadata.
    fn merged(&mut self, plan: &Plan<'_>) -> Result<Map, ComposeError> {
        let mut metadata = None;
        for merged in Merged::ALL {
            let givers = plan.merged(merged);
            deletes::warn_of_idle(merged, self.layers, givers, &mut self.warnings);
            let Some(highest) = givers.last() else { continue };
            let mut all = Map::new();
            for index in givers {
                self.add(merged, *index, &mut all)?;
            }
            deletes::apply(merged, self.layers, *highest, &mut all, &mut self.origins)?;
            if merged == Merged::Metadata {
                all = metadata::ordered(all);
                self.warn_of_name(*highest, &all);
                metadata = Some(all.clone());
            }
            let url = self.layers.get(*highest).map_or("", |layer| &layer.url);
            let text = to_text(&Node::new(Value::Map(all)));
            self.put(merged.file(), Item::file(text.into_bytes()), url, true)?;
        }
        metadata.filter(|map| !map.is_empty()).ok_or(ComposeError::NoMetadata)
    }

    fn add(&mut self, merged: Merged, index: usize, all: &mut Map) -> Result<(), ComposeError> {
        let Some(layer) = self.layers.get(index) else { return Ok(()) };
        let Some(node) = layer.document(merged.file())? else { return Ok(()) };
        let shown = layer.shown(merged.file());
        let field = muster_charms::yaml::Field::root(&shown, &node);
        let high = field.map()?;
        let mut merge =
            Merge { file: merged.file(), layer: &layer.url, origins: &mut self.origins };
        match merged {
            Merged::Metadata => metadata::add(&mut merge, all, high),
            _ => merge.maps("", all, high),
        }
    }

    fn warn_of_name(&mut self, highest: usize, metadata: &Map) {
        let name = metadata.get("name").and_then(Node::as_str).unwrap_or_default();
        if highest + 1 < self.layers.len() && name != self.name {
            self.warnings.push(Warning::NameFromBelow { name: name.to_owned() });
        }
    }

    fn copies(&mut self, plan: &Plan<'_>) -> Result<(), ComposeError> {
        for (path, index, item) in plan.copies() {
            let url = self.layers.get(index).map_or("", |layer| &layer.url);
            self.put(path, item.clone(), url, false)?;
        }
        let mut copyrights = plan.copyrights().iter().rev();
        if let Some((index, item)) = copyrights.next() {
            let url = self.layers.get(*index).map_or("", |layer| &layer.url);
            self.put("copyright", (*item).clone(), url, false)?;
        }
        for (index, item) in copyrights {
            let Some(layer) = self.layers.get(*index) else { continue };
            let path = format!("copyright.layer-{}", layer.name);
            self.put(&path, (*item).clone(), &layer.url, false)?;
        }
        Ok(())
    }

    fn layer_file(&mut self, plan: &Plan<'_>) -> Result<(), ComposeError> {
        let Some(owner) = plan.layer_files().last().and_then(|index| self.layers.get(*index))
        else {
            return Ok(());
        };
        let map = layerfile::merge(self.layers, self.name, &mut self.origins, &mut self.warnings)?;
        let text = to_text(&Node::new(Value::Map(map)));
        self.put(layerfile::FILE, Item::file(text.into_bytes()), &owner.url, true)
    }

    fn hooks(&mut self, plan: &Plan<'_>, metadata: &Map) -> Result<(), ComposeError> {
        let (owner, bytes) = match plan.copy(hook::TEMPLATE) {
            Some((index, Item::File { bytes, .. })) => (index, bytes.clone()),
            _ => return Err(ComposeError::NoTemplate),
        };
        let owner = self.layers.get(owner).map(|layer| layer.url.clone()).unwrap_or_default();
        let template = std::str::from_utf8(&bytes)
            .map_err(|_| ComposeError::Template { layer: owner.clone() })?;
        for wanted in hook::wanted(metadata) {
            if let Some(layer) = self.layers.iter().rev().find(|l| holds(l, &wanted.path)) {
                if self.tree.get(&wanted.path).is_none() {
                    let (path, layer) = (wanted.path, layer.name.clone());
                    self.warnings.push(Warning::MissingHook { path, layer });
                }
                continue;
            }
            let text = hook::fill(template, &wanted.name, &owner)?;
            let owner = match &wanted.storage {
                Some(storage) => self.declarer(plan, storage).unwrap_or_else(|| owner.clone()),
                None => owner.clone(),
            };
            self.put(&wanted.path, Item::program(text.into_bytes()), &owner, true)?;
        }
        Ok(())
    }

    /// The lowest layer whose metadata declares a storage.
    fn declarer(&self, plan: &Plan<'_>, storage: &str) -> Option<String> {
        plan.merged(Merged::Metadata).iter().find_map(|index| {
            let layer = self.layers.get(*index)?;
            let node = layer.document(Merged::Metadata.file()).ok()??;
            node.as_map()?.get("storage")?.as_map()?.get(storage)?;
            Some(layer.url.clone())
        })
    }
}

fn holds(layer: &Layer, path: &str) -> bool {
    layer.tree.get(path).is_some_and(|item| item.kind() != ItemKind::Folder)
        || layer.tree.below(path).next().is_some()
}

#[cfg(test)]
mod shipped_tests;
#[cfg(test)]
mod tests;

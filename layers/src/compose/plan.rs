//! The plan: which layer gives what at each path (layers document, sections 5.1 and 7).

use std::collections::BTreeMap;

use muster_charms::tree::{Item, ItemKind};

use crate::error::{ComposeError, Warning};
use crate::layer::Layer;
use crate::pattern::Patterns;
use crate::rule::{Merged, Rule, rule};

/// What every layer gives, by path; layers are told by their index, lowest first.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    copies: BTreeMap<&'a str, (usize, &'a Item)>,
    merged: BTreeMap<Merged, Vec<usize>>,
    copyrights: Vec<(usize, &'a Item)>,
    layer_files: Vec<usize>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        layers: &'a [Layer],
        ignore_all_below: bool,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, ComposeError> {
        let always = Patterns::always()
            .map_err(|source| ComposeError::Pattern { layer: "any".to_owned(), source })?;
        let mut plan = Plan::default();
        for (index, layer) in layers.iter().enumerate() {
            let above = layers.get(index + 1..).unwrap_or_default();
            let asked = if ignore_all_below { above } else { above.get(..1).unwrap_or_default() };
            for (path, item) in layer.tree.iter() {
                if item.kind() == ItemKind::Folder {
                    continue;
                }
                if always.matches(path) || asked.iter().any(|l| l.ignore.matches(path)) {
                    plan.drop(path);
                } else if !layer.exclude.matches(path) {
                    plan.take(index, layer, path, item)?;
                }
            }
        }
        plan.warn_of_survivors(layers, warnings);
        Ok(plan)
    }

    fn drop(&mut self, path: &str) {
        match rule(path) {
            Rule::Merge(merged) => {
                self.merged.remove(&merged);
            }
            Rule::Copyright => self.copyrights.clear(),
            Rule::LayerFile => self.layer_files.clear(),
            Rule::Copy | Rule::Never | Rule::Unsupported => {
                self.copies.remove(path);
            }
        }
    }

    fn take(
        &mut self,
        index: usize,
        layer: &Layer,
        path: &'a str,
        item: &'a Item,
    ) -> Result<(), ComposeError> {
        match rule(path) {
            Rule::Never => {}
            Rule::Unsupported => {
                return Err(ComposeError::Unsupported {
                    layer: layer.name.clone(),
                    what: format!("Python packages ({path})"),
                });
            }
            Rule::Merge(merged) => self.merged.entry(merged).or_default().push(index),
            Rule::Copyright => self.copyrights.push((index, item)),
            Rule::LayerFile => self.layer_files.push(index),
            Rule::Copy => {
                let folder = format!("{path}/");
                let mut below = self.copies.range(folder.as_str()..);
                if below.next().is_some_and(|(p, _)| p.starts_with(&folder)) {
                    let (layer, path) = (layer.name.clone(), path.to_owned());
                    return Err(ComposeError::FileOverFolder { layer, path });
                }
                // A folder over a lower layer's file takes its place.
                for (at, _) in path.match_indices('/') {
                    if let Some(parent) = path.get(..at) {
                        self.copies.remove(parent);
                    }
                }
                self.copies.insert(path, (index, item));
            }
        }
        Ok(())
    }

    /// Files that a layer further up ignores in vain.
    fn warn_of_survivors(&self, layers: &[Layer], warnings: &mut Vec<Warning>) {
        for (path, (index, _)) in &self.copies {
            let further = layers.get(index + 2..).unwrap_or_default();
            if let Some(layer) = further.iter().find(|layer| layer.ignore.matches(path)) {
                let (path, layer) = ((*path).to_owned(), layer.name.clone());
                warnings.push(Warning::SurvivesIgnore { path, layer });
            }
        }
    }

    /// The layers that give this file, lowest first.
    pub(crate) fn merged(&self, merged: Merged) -> &[usize] {
        self.merged.get(&merged).map_or(&[], Vec::as_slice)
    }

    /// What is copied, by path.
    pub(crate) fn copies(&self) -> impl Iterator<Item = (&'a str, usize, &'a Item)> {
        self.copies.iter().map(|(path, (index, item))| (*path, *index, *item))
    }

    /// What is copied to `path`.
    pub(crate) fn copy(&self, path: &str) -> Option<(usize, &'a Item)> {
        self.copies.get(path).copied()
    }

    /// The copyrights, lowest first.
    pub(crate) fn copyrights(&self) -> &[(usize, &'a Item)] {
        &self.copyrights
    }

    /// The layers that have a layer file, lowest first.
    pub(crate) fn layer_files(&self) -> &[usize] {
        &self.layer_files
    }
}

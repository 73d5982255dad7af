//! From the include graph to one order (layers document, section 4).

use std::collections::BTreeSet;

use muster_charms::Tree;

use crate::error::ComposeError;
use crate::layer::{Layer, Library, without_revision};

/// More layers than anybody can mean; what includes more of them goes in circles of new names.
const MAX_LAYERS: usize = 256;

/// All layers of a charm.
#[derive(Debug, Default)]
pub struct Order {
    /// Lowest first; the top layer is the last.
    pub layers: Vec<Layer>,
    /// In the order in which they are met.
    pub interfaces: Vec<Layer>,
}

/// Puts the layers below `top` in order: depth first, includes before those who include them, the
/// first mention wins.
pub fn order(top: Layer, library: &impl Library) -> Result<Order, ComposeError> {
    let mut walk =
        Walk { library, order: Order::default(), seen: BTreeSet::new(), path: Vec::new() };
    walk.path.push(top.name.clone());
    walk.includes(&top)?;
    walk.order.layers.push(top);
    Ok(walk.order)
}

struct Walk<'a, L> {
    library: &'a L,
    order: Order,
    /// Includes that are collected, without their revisions, and the names they turned out to have.
    seen: BTreeSet<String>,
    /// The includes that lead to where we are.
    path: Vec<String>,
}

impl<L: Library> Walk<'_, L> {
    fn includes(&mut self, layer: &Layer) -> Result<(), ComposeError> {
        for include in &layer.includes {
            let bare = without_revision(include).to_owned();
            if let Some(start) = self.path.iter().position(|on_path| *on_path == bare) {
                let mut circle = self.path.get(start..).unwrap_or_default().to_vec();
                circle.push(bare);
                return Err(ComposeError::Cycle(circle));
            }
            if self.seen.contains(&bare) {
                continue;
            }
            self.collect(include, bare, layer)?;
        }
        Ok(())
    }

    fn collect(&mut self, include: &str, bare: String, by: &Layer) -> Result<(), ComposeError> {
        if self.seen.len() >= MAX_LAYERS || self.path.len() >= MAX_LAYERS {
            return Err(ComposeError::TooMany(MAX_LAYERS));
        }
        let tree: Tree = self.library.layer(&bare).ok_or_else(|| ComposeError::NotFound {
            include: include.to_owned(),
            layer: by.name.clone(),
        })?;
        let layer = Layer::read(include, &tree, self.library.revision(&bare))?;
        self.seen.insert(bare.clone());
        if bare.starts_with("interface:") {
            self.seen.insert(format!("interface:{}", layer.name));
            self.order.interfaces.push(layer);
            return Ok(());
        }
        self.seen.insert(format!("layer:{}", layer.name));
        self.path.push(bare);
        self.includes(&layer)?;
        self.path.pop();
        self.order.layers.push(layer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use muster_charms::tree::Item;

    use super::*;

    fn tree(includes: &str) -> Tree {
        let mut tree = Tree::new();
        let text = format!("includes: [{includes}]");
        tree.insert("layer.yaml", Item::file(text.into_bytes())).unwrap();
        tree
    }

    fn names(top: &str, library: &[(&str, &str)]) -> Result<Vec<String>, ComposeError> {
        let library: BTreeMap<String, Tree> =
            library.iter().map(|(url, includes)| ((*url).to_owned(), tree(includes))).collect();
        let top = Layer::read("top", &tree(top), None)?;
        let order = order(top, &library)?;
        Ok(order.layers.into_iter().map(|layer| layer.name).collect())
    }

    #[test]
    fn layers_come_lowest_first() {
        let library = [
            ("layer:options", ""),
            ("layer:basic", "'layer:options'"),
            ("layer:status", "'layer:basic'"),
            ("layer:apt", "'layer:basic', 'layer:status'"),
            ("layer:spark-base", "'layer:basic', 'layer:status', 'layer:apt@2'"),
            ("layer:leadership", ""),
        ];
        assert_eq!(
            names("'layer:status', 'layer:spark-base', 'layer:leadership'", &library).unwrap(),
            ["options", "basic", "status", "apt", "spark-base", "leadership", "top"]
        );
    }

    #[test]
    fn circles_and_missing_layers_are_told() {
        let library = [("layer:a", "'layer:b'"), ("layer:b", "'layer:a'")];
        let error = names("'layer:a'", &library).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layers include each other in a circle: layer:a -> layer:b -> layer:a"
        );
        assert_eq!(
            names("'layer:no'", &[]).unwrap_err().to_string(),
            "Unable to locate layer:no. Do you need to set CHARM_LAYERS_DIR?"
        );
        assert_eq!(
            names("'interface:no'", &[]).unwrap_err().to_string(),
            "Unable to locate interface:no. Do you need to set CHARM_INTERFACES_DIR?"
        );
    }
}

//! Every reason for which no charm can be composed, and what is only worth a word.
//!
//! Where the original tool has a text that people know, it is the same (layers document,
//! section 13).

use std::fmt;

use muster_charms::tree::BadPath;
use muster_charms::yaml::{FieldError, YamlError};

use crate::pattern::BadPattern;

/// Why no charm can be composed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ComposeError {
    /// An include is nowhere to be found.
    #[error("Unable to locate {include}. Do you need to set {}?", variable(include))]
    NotFound {
        /// The include as it is written.
        include: String,
        /// The layer that wants it.
        layer: String,
    },
    /// Layers include each other in a circle.
    #[error("layers include each other in a circle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// There are more layers than anybody can mean.
    #[error("there are more than {0} layers")]
    TooMany(usize),
    /// A layer's files cannot lie together, or its links lead astray.
    #[error("layer {layer} cannot be read")]
    Tree {
        /// The layer.
        layer: String,
        /// What is wrong with its files.
        source: BadPath,
    },
    /// A file of a layer is not YAML.
    #[error("Failed to process {file}. Ensure the YAML is valid")]
    Yaml {
        /// The file, with its layer before it.
        file: String,
        /// What is wrong with it.
        source: YamlError,
    },
    /// A value in a layer's YAML has the wrong type.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A list of patterns holds something else.
    #[error("layer {layer} has a bad `ignore` or `exclude`")]
    Pattern {
        /// The layer.
        layer: String,
        /// Which pattern.
        source: BadPattern,
    },
    /// What composing without a Python interpreter or the network cannot do.
    #[error("layer {layer} uses {what}, which is not supported")]
    Unsupported {
        /// The layer.
        layer: String,
        /// What it uses, with its name.
        what: String,
    },
    /// Two layers give one key values that cannot be merged.
    #[error("{file}: `{key}` is {high_kind} in layer {high} and {low_kind} in layer {low}")]
    Clash {
        /// The file that is merged.
        file: String,
        /// The key, with those above it, joined by dots.
        key: String,
        /// The lower layer.
        low: String,
        /// What it says, such as `a list`.
        low_kind: &'static str,
        /// The higher layer.
        high: String,
        /// What it says.
        high_kind: &'static str,
    },
    /// A file of one layer lies where another has a folder.
    #[error("layer {layer} has a file {path:?} where a lower layer has a folder")]
    FileOverFolder {
        /// The higher layer.
        layer: String,
        /// The path.
        path: String,
    },
    /// An entry of `deletes` leads through something that is not there.
    #[error("layer {layer} deletes `{path}` of {file}, but `{missing}` is not there")]
    DeleteThrough {
        /// The layer.
        layer: String,
        /// The file.
        file: String,
        /// The whole entry.
        path: String,
        /// The part of it that is missing.
        missing: String,
    },
    /// No layer has the template of the hooks.
    #[error("At least one layer must provide hooks/hook.template")]
    NoTemplate,
    /// The template of the hooks has a brace that means nothing.
    #[error(
        "hooks/hook.template of layer {layer} has a stray brace: write `{{{{` or `}}}}` for one"
    )]
    Template {
        /// The layer.
        layer: String,
    },
    /// No layer has metadata.
    #[error("At least one layer must provide metadata.yaml")]
    NoMetadata,
    /// The charm's name is none.
    #[error("Charm name must start with a lower-case letter")]
    CharmName,
    /// A relation has an interface, and the interface layer no file for its role.
    #[error("Missing implementation for interface role: {role}.py")]
    Role {
        /// The interface.
        interface: String,
        /// `provides`, `requires` or `peers`.
        role: &'static str,
    },
    /// Options that are wrong; all of them, one a line.
    #[error("{}", .0.join("\n"))]
    Options(Vec<String>),
}

fn variable(include: &str) -> &'static str {
    if include.starts_with("interface:") { "CHARM_INTERFACES_DIR" } else { "CHARM_LAYERS_DIR" }
}

/// What is worth a word, and no reason to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The top layer's metadata is missing, so that the charm has a lower layer's name.
    NameFromBelow {
        /// The name in the metadata.
        name: String,
    },
    /// An interface is included and no relation uses it.
    UnusedInterface {
        /// The include.
        include: String,
    },
    /// A layer's `deletes` has no effect.
    IdleDeletes {
        /// The layer.
        layer: String,
        /// The file that is meant.
        file: String,
        /// Why.
        why: &'static str,
    },
    /// An option is set that its layer does not define.
    UnknownOption {
        /// The layer whose option it would be.
        layer: String,
        /// The option.
        option: String,
    },
    /// A hook is not generated because a layer has a file of its name, which is left out itself.
    MissingHook {
        /// The hook's file.
        path: String,
        /// The layer whose file was left out.
        layer: String,
    },
    /// A file that the layer above ignores survives, for it comes from further below.
    SurvivesIgnore {
        /// The file.
        path: String,
        /// The layer that ignores it.
        layer: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NameFromBelow { name } => {
                write!(f, "the top layer has no metadata.yaml; the charm is called {name:?}")
            }
            Warning::UnusedInterface { include } => {
                write!(f, "{include} is included, and no relation uses it")
            }
            Warning::IdleDeletes { layer, file, why } => {
                write!(f, "the `deletes` for {file} in layer {layer} have no effect: {why}")
            }
            Warning::UnknownOption { layer, option } => {
                write!(f, "option {layer}.{option} is set, and layer {layer} does not define it")
            }
            Warning::MissingHook { path, layer } => write!(
                f,
                "{path} is not generated: layer {layer} has a file of this name, and leaves it out"
            ),
            Warning::SurvivesIgnore { path, layer } => write!(
                f,
                "{path} is ignored by layer {layer} and stays: only the layer right below is asked"
            ),
        }
    }
}

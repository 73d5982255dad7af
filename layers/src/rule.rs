//! One rule a kind of file (layers document, sections 5.3 and 5.5).

/// What becomes of a file of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is never part of a charm.
    Never,
    /// It would need Python or the network.
    Unsupported,
    /// The highest layer's is the charm's; each lower one is kept under its layer's name.
    Copyright,
    /// It is merged over all layers.
    Merge(Merged),
    /// It is merged over all layers, and its options are checked.
    LayerFile,
    /// The highest layer's is the charm's.
    Copy,
}

/// The files that are merged as YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Merged {
    /// `metadata.yaml`, which has rules of its own.
    Metadata,
    /// `config.yaml`.
    Config,
    /// `actions.yaml`.
    Actions,
    /// `resources.yaml`, an old convention.
    Resources,
    /// `dist.yaml`, an old convention.
    Dist,
}

impl Merged {
    /// All of them.
    pub const ALL: [Merged; 5] =
        [Merged::Metadata, Merged::Config, Merged::Actions, Merged::Resources, Merged::Dist];

    /// The file, at the root of layer and charm.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Merged::Metadata => "metadata.yaml",
            Merged::Config => "config.yaml",
            Merged::Actions => "actions.yaml",
            Merged::Resources => "resources.yaml",
            Merged::Dist => "dist.yaml",
        }
    }

    /// The section of `layer.yaml` that edits it.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Merged::Metadata => "metadata",
            Merged::Config => "config",
            Merged::Actions => "actions",
            Merged::Resources => "resources",
            Merged::Dist => "dist",
        }
    }
}

/// The rule for a path; the first that fits.
#[must_use]
pub fn rule(path: &str) -> Rule {
    if let Some(merged) = Merged::ALL.into_iter().find(|merged| merged.file() == path) {
        return Rule::Merge(merged);
    }
    match path {
        ".build.manifest" => Rule::Never,
        "wheelhouse.txt" => Rule::Unsupported,
        "copyright" => Rule::Copyright,
        "layer.yaml" | "composer.yaml" => Rule::LayerFile,
        path if path.ends_with(".pypi") => Rule::Unsupported,
        _ => Rule::Copy,
    }
}

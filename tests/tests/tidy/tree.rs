//! The project's files, and what cargo knows of its packages.

use std::path::Path;
use std::sync::LazyLock;

use cargo_metadata::{Metadata, MetadataCommand};

/// The folder that holds the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

/// What cargo says of the workspace and everything it depends on.
pub(crate) fn metadata() -> &'static Metadata {
    static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
        let manifest = root().join("Cargo.toml");
        // Only what is built here: the rest was never fetched, and this must work offline.
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let options = ["--offline".to_owned(), "--filter-platform".to_owned(), platform];
        MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
    });
    &METADATA
}

/// Every file of the project with its path from the root, built ones and hidden folders left out.
pub(crate) fn files() -> Vec<(String, String)> {
    let files = muster_tests::sources::files(root()).unwrap();
    assert!(files.len() > 20, "the tree was not found");
    files
}

/// Every Rust file, as [`files`].
pub(crate) fn rust() -> Vec<(String, String)> {
    muster_tests::sources::rust(root()).unwrap()
}

/// What stands before the unit tests at a file's end.
pub(crate) fn product(text: &str) -> &str {
    match text.find("\n#[cfg(test)]\nmod ") {
        // `mod tests;` names a file; only a module written out ends the product.
        Some(at) if text[at..].lines().nth(2).is_some_and(|line| line.ends_with('{')) => {
            &text[..at]
        }
        _ => text,
    }
}

/// Whether a file holds nothing but tests.
pub(crate) fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/")
}

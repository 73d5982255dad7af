//! House rules as tests. A rule that nobody checks is a wish; an exception stands here with its reason.
//!
//! The modules are marked as tests one by one: clippy lets only those unwrap.

#[cfg(test)]
#[path = "tidy/checklists.rs"]
mod checklists;
#[cfg(test)]
#[path = "tidy/dependencies.rs"]
mod dependencies;
#[cfg(test)]
#[path = "tidy/documents.rs"]
mod documents;
#[cfg(test)]
#[path = "tidy/hints.rs"]
mod hints;
#[cfg(test)]
#[path = "tidy/licences.rs"]
mod licences;
#[cfg(test)]
#[path = "tidy/manifests.rs"]
mod manifests;
#[cfg(test)]
#[path = "tidy/shipped.rs"]
mod shipped;
#[cfg(test)]
#[path = "tidy/sources.rs"]
mod sources;
#[cfg(test)]
#[path = "tidy/tree.rs"]
mod tree;

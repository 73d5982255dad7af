//! The charm format: a charm told from its files, and nothing else.

pub mod name;

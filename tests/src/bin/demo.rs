//! Placeholder until the harness is in place.

fn main() {}

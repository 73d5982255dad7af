//! The published client library of the `juju` command, driving ours on real machines.
//!
//! `jubilant` is installed from its registry in the version that the contract was written for, and
//! finds `muster` under the name `juju`. What it does is in `test_client.py`, modelled on the
//! library's own integration tests. Controller, client store and models are this test's own.

#[cfg(test)]
mod published;

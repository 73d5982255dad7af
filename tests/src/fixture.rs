//! Charms made in code, for stories that need no disk.
//!
//! Each is one that some application of the real world looks like; together they have every part of
//! the charm format that the model has a rule for.

use std::collections::BTreeMap;

use muster_charms::Charm;
use muster_model::command::AddCharm;
use muster_resources::Digest;

/// The names under which [`charm`] knows charms.
pub const CHARMS: &[&str] = &["wiki", "db", "logger", "proxy", "hub"];

/// The newest revision of each.
pub const REVISIONS: u32 = 3;

/// The files of a charm: its metadata, its options, its actions.
///
/// Revision 2 adds an option; revision 3 also a peer relation and a storage, and drops an option.
fn files(name: &str, revision: u32) -> Option<[String; 3]> {
    let (metadata, config, actions) = match name {
        "wiki" => (
            "requires: {db: {interface: sql}}\nprovides: {web: {interface: http}}\n\
             peers: {cluster: {interface: wiki-cluster}}\n\
             resources: {theme: {type: file, filename: theme.tar}}\n",
            "title: {type: string, default: Wiki}\n  debug: {type: boolean, default: false}",
            "backup: {description: Saves it.}",
        ),
        "db" => (
            "provides: {db: {interface: sql}}\npeers: {replicas: {interface: db-replicas}}\n\
             storage: {data: {type: filesystem, multiple: {range: 1-3}}}\n",
            "cache-mib: {type: int, default: 64}",
            "dump: {description: Dumps it., parallel: true}\nvacuum: {description: Tidies it.}",
        ),
        "logger" => (
            "subordinate: true\nrequires:\n  host: {interface: juju-info, scope: container}\n  \
             sink: {interface: syslog}\n",
            "level: {type: string, default: info}",
            "rotate: {description: Rotates it.}",
        ),
        "proxy" => (
            "requires: {web: {interface: http, limit: 2}}\n\
             storage:\n  cache: {type: filesystem, multiple: {range: 0-}}\n  \
             raw: {type: block, multiple: {range: 0-2}}\n",
            "port: {type: int, default: 80}",
            "purge: {description: Empties it.}",
        ),
        "hub" => (
            "provides: {logs: {interface: syslog}}\n",
            "days: {type: int, default: 7}",
            "query: {description: Asks it.}",
        ),
        _ => return None,
    };
    let mut metadata =
        format!("name: {name}\nsummary: A charm of the simulation.\ndescription: It.\n{metadata}");
    let mut config = format!("options:\n  {config}\n");
    if revision >= 2 {
        config.push_str("  colour: {type: string, default: green}\n");
    }
    if revision >= 3 {
        if name == "wiki" {
            config = config.replace("  debug: {type: boolean, default: false}\n", "");
        }
        metadata = metadata.replace("peers: {", "peers: {gossip: {interface: gossip}, ");
        if name == "hub" {
            metadata.push_str("storage: {spool: {type: filesystem, multiple: {range: 0-2}}}\n");
        }
    }
    Some([metadata, config, format!("{actions}\n")])
}

/// A charm of the simulation.
///
/// # Panics
/// If there is no such charm: the list of names is [`CHARMS`].
#[must_use]
pub fn charm(name: &str, revision: u32) -> Charm {
    let Some([metadata, config, actions]) = files(name, revision) else {
        panic!("no charm of the simulation is called {name}")
    };
    let files = BTreeMap::from([
        ("metadata.yaml".to_owned(), metadata.into_bytes()),
        ("config.yaml".to_owned(), config.into_bytes()),
        ("actions.yaml".to_owned(), actions.into_bytes()),
    ]);
    match Charm::read(&files) {
        Ok(charm) => charm,
        Err(error) => panic!("charm {name} of the simulation: {error}"),
    }
}

/// The command that makes a charm of the simulation known.
#[must_use]
pub fn add_charm(name: &str, revision: u32) -> AddCharm {
    AddCharm {
        digest: digest(&format!("charm {name} {revision}")),
        size: 4096,
        charm: Some(Box::new(charm(name, revision))),
    }
}

/// The digest of some bytes that nobody has to have.
#[must_use]
pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_charm_of_the_simulation_reads() {
        for name in CHARMS {
            for revision in 1..=REVISIONS {
                assert_eq!(charm(name, revision).metadata.name.as_str(), *name);
            }
        }
        assert!(charm("wiki", 3).options.keys().all(|key| key.as_str() != "debug"));
        assert_eq!(charm("db", 3).metadata.endpoints.len(), 3);
    }
}

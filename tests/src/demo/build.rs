//! What is built before anything is deployed: the binaries, the charms, and the overlay that says where
//! this machine has them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::hand::{Hand, failed, note};
use super::{DemoError, Place};
use crate::call::Call;
use crate::parts::Parts;
use crate::voice::Voice;

/// The charms of the bundle, by the name of their folder.
pub const CHARMS: [&str; 5] = ["ceph-mon", "ceph-osd", "ceph-radosgw", "mariadb", "spark"];

/// What is ready to be deployed.
#[derive(Clone, Debug)]
pub struct Built {
    /// The bundle as it ships.
    pub bundle: PathBuf,
    /// What this machine adds: the built charms, the parts.
    pub overlay: PathBuf,
}

/// Builds controller, agent and command, and gives the command's path.
pub fn binaries(place: &Place, voice: &Voice) -> Result<PathBuf, DemoError> {
    let mut call = Call::cargo()
        // With the test package in the selection, what is built has the features that it was built
        // with for this very program, and nothing is built twice.
        .args(["build", "-p", "muster", "-p", "muster-controller", "-p", "muster-agent"])
        .args(["-p", "muster-tests", "--bin", "muster", "--bin", "muster-controller"])
        .args(["--bin", "muster-agent"])
        .env("CARGO_TARGET_DIR", &place.target)
        .within(&place.root);
    if place.profile == "release" {
        call = call.arg("--release");
    }
    let work = voice.work("building controller, agent and command");
    call.run_with(|line| note(&work, line))
        .map_err(|source| DemoError::Call { what: "build the binaries".to_owned(), source })?;
    work.done("");
    Ok(place.program())
}

/// Composes the charms from their layers, and writes the overlay.
pub fn charms(
    place: &Place,
    hand: &Hand,
    parts: &Parts,
    voice: &Voice,
) -> Result<Built, DemoError> {
    let folder = place.folder();
    let built = folder.join("charms");
    fs::create_dir_all(&built).map_err(write_error(&built))?;
    let work = voice.work("composing the charms from their layers");
    for charm in CHARMS {
        work.note(charm);
        let source = place.root.join("charms").join(charm);
        let layers = place.root.join("layers");
        let args = ["charm", "build"];
        hand.bare(&args)
            .arg(&source)
            .arg("--layers")
            .arg(&layers)
            .arg("--output")
            .arg(built.join(format!("{charm}.charm")))
            .run()
            .map_err(|source| failed(&args, source))?;
    }
    work.done(CHARMS.len());
    let overlay = folder.join("overlay.yaml");
    // JSON is YAML, and quoting is done by who knows how.
    let text = overlay_document(&built, parts).to_string();
    fs::write(&overlay, text).map_err(write_error(&overlay))?;
    Ok(Built { bundle: place.root.join("charms/bundles/word-count.yaml"), overlay })
}

fn overlay_document(built: &Path, parts: &Parts) -> serde_json::Value {
    let mut applications = serde_json::Map::new();
    for charm in CHARMS {
        applications
            .insert(charm.to_owned(), json!({ "charm": built.join(format!("{charm}.charm")) }));
    }
    if let Some(spark) = applications.get_mut("spark").and_then(|spark| spark.as_object_mut()) {
        let resources =
            json!({ "spark-tarball": parts.spark.path, "extra-jars": parts.extra_jars.path });
        spark.insert("resources".to_owned(), resources);
        if !parts.pair.matching {
            // The charm refuses libraries that do not match; these were tried together.
            spark.insert("options".to_owned(), json!({ "allow-mismatched-hadoop": true }));
        }
    }
    json!({ "applications": applications })
}

fn write_error(path: &Path) -> impl FnOnce(std::io::Error) -> DemoError + '_ {
    move |source| DemoError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::{Part, jars};

    fn parts(pair: jars::Pair) -> Parts {
        let part = |path: &str| Part { path: path.into(), bytes: 1, sha256: String::new() };
        Parts { spark: part("/p/spark.tgz"), extra_jars: part("/p/jars.tgz"), pair }
    }

    #[test]
    fn the_overlay_names_charms_and_parts_of_this_machine() {
        let overlay = overlay_document(Path::new("/b"), &parts(jars::MAVEN));
        let spark = &overlay["applications"]["spark"];
        assert_eq!(spark["charm"], "/b/spark.charm");
        assert_eq!(spark["resources"]["spark-tarball"], "/p/spark.tgz");
        assert!(spark.get("options").is_none());
        assert_eq!(overlay["applications"]["ceph-osd"]["charm"], "/b/ceph-osd.charm");
    }

    #[test]
    fn libraries_that_do_not_match_are_allowed_by_name() {
        let overlay = overlay_document(Path::new("/b"), &parts(jars::PYPI));
        assert_eq!(overlay["applications"]["spark"]["options"]["allow-mismatched-hadoop"], true);
    }
}

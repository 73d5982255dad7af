//! From files to a [`Charm`].

use std::collections::BTreeMap;

use super::{Charm, Format};
use crate::metadata::{V1_KEYS, V2_KEYS};
use crate::yaml::{Field, FieldError, Limits, Node, YamlError, parse};
use crate::{action, manifest, metadata, option};

/// The longest version that is shown, in characters (hook contract, section 1.1).
const MAX_VERSION: usize = 100;

/// Where a charm's files come from: a packed charm, a folder read into memory, a test.
pub trait Files {
    /// The content of the file at `path`, relative to the charm's root; `None` if there is none.
    fn text(&self, path: &str) -> Option<&[u8]>;
}

impl Files for BTreeMap<String, Vec<u8>> {
    fn text(&self, path: &str) -> Option<&[u8]> {
        self.get(path).map(Vec::as_slice)
    }
}

/// Why files are no charm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CharmError {
    /// A file that every charm has is missing.
    #[error("the charm has no {0}")]
    Missing(&'static str),
    /// There is only the file from which a charm is split.
    #[error("the charm has charmcraft.yaml but no metadata.yaml: it must be packed first")]
    Unsplit,
    /// A file is not the YAML that it should be.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A value in a file is not what it must be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A file that is not YAML has the wrong content.
    #[error("{file}: {problem}")]
    Content {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Charm {
    /// Reads a charm from its files (hook contract, section 1).
    ///
    /// Errors name the file, the line and the key.
    pub fn read(files: &impl Files) -> Result<Charm, CharmError> {
        let Some(root) = document(files, "metadata.yaml")? else {
            return Err(match files.text("charmcraft.yaml") {
                Some(_) => CharmError::Unsplit,
                None => CharmError::Missing("metadata.yaml"),
            });
        };
        let root = Field::root("metadata.yaml", &root);
        let mut charm = Charm::new(metadata::read(&root)?);
        if let Some(node) = document(files, "manifest.yaml")? {
            charm.bases = manifest::read(&Field::root("manifest.yaml", &node))?;
        }
        charm.format = format(&root, &charm)?;
        if let Some(node) = document(files, "config.yaml")? {
            charm.options = option::read(&Field::root("config.yaml", &node))?;
        }
        if let Some(node) = document(files, "actions.yaml")? {
            charm.actions = action::read(&Field::root("actions.yaml", &node))?;
        }
        if let Some(node) = document(files, "lxd-profile.yaml")? {
            let field = Field::root("lxd-profile.yaml", &node);
            check_profile(&field)?;
            if let serde_json::Value::Object(profile) = node.to_json() {
                charm.lxd_profile = Some(profile);
            }
        }
        charm.metrics = files.text("metrics.yaml").is_some();
        charm.revision = files.text("revision").map(revision).transpose()?;
        charm.version = files.text("version").and_then(version);
        Ok(charm)
    }
}

fn document(files: &impl Files, name: &str) -> Result<Option<Node>, YamlError> {
    files.text(name).map(|bytes| parse(name, bytes, &Limits::FILE)).transpose()
}

/// Which age of the format it is; the table of section 1.2.
fn format(root: &Field<'_>, charm: &Charm) -> Result<Format, FieldError> {
    let has = |keys: [&'static str; 3]| {
        keys.into_iter().find(|key| root.node().as_map().is_some_and(|map| map.get(key).is_some()))
    };
    let (old, new) = (has(V1_KEYS), has(V2_KEYS));
    if let (Some(old), Some(new)) = (old, new) {
        return Err(root.error(format_args!(
            "ambiguous metadata: `{old}` belongs to format v1, `{new}` to format v2"
        )));
    }
    let series = !charm.metadata.series.is_empty();
    let bases = !charm.bases.is_empty();
    if !series && bases {
        return Ok(Format::V2);
    }
    if let Some(new) = new {
        return Err(root.error(format_args!(
            "`{new}` belongs to format v2, which needs a manifest.yaml with bases"
        )));
    }
    Ok(Format::V1)
}

/// Section 1.7.
fn check_profile(root: &Field<'_>) -> Result<(), FieldError> {
    for (key, field) in root.entries()? {
        match key {
            "description" => {
                field.scalar()?;
            }
            "config" => {
                for (key, value) in field.entries()? {
                    if ["boot", "limits", "migration"].iter().any(|p| key.starts_with(p)) {
                        return Err(value.error("a charm may not set boot, limits or migration"));
                    }
                }
            }
            "devices" => {
                for (_, device) in field.entries()? {
                    let kind = device.need("type")?;
                    if !["unix-char", "unix-block", "gpu", "usb"].contains(&kind.text()?) {
                        return Err(kind
                            .error("expected a device of type unix-char, unix-block, gpu or usb"));
                    }
                }
            }
            // Profiles that were exported from a host carry their name and their users along.
            _ => {}
        }
    }
    Ok(())
}

fn revision(bytes: &[u8]) -> Result<u32, CharmError> {
    let text = String::from_utf8_lossy(bytes);
    text.trim().parse().map_err(|_| CharmError::Content {
        file: "revision",
        problem: "must be one whole number that is not negative".to_owned(),
    })
}

/// The first line, without the words that some packers put before it.
fn version(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next()?.trim();
    let line = line.strip_prefix("revision-id: ").unwrap_or(line);
    let shown = |c: &char| !c.is_control();
    let version: String = line.chars().filter(shown).take(MAX_VERSION).collect();
    (!version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "name: wiki\nsummary: s\ndescription: d\n";

    fn charm(files: &[(&str, &str)]) -> Result<Charm, String> {
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(p, t)| ((*p).to_owned(), t.as_bytes().to_vec())).collect();
        Charm::read(&files).map_err(|e| e.to_string())
    }

    #[test]
    fn the_format_is_told_from_series_and_bases() {
        let with = |metadata: &str, manifest: Option<&str>| {
            let text = format!("{METADATA}{metadata}");
            let mut files = vec![("metadata.yaml", text.as_str())];
            files.extend(manifest.map(|m| ("manifest.yaml", m)));
            charm(&files).map(|c| c.format)
        };
        let bases = "bases: [{name: ubuntu, channel: 22.04/stable}]";
        assert_eq!(with("", None), Ok(Format::V1));
        assert_eq!(with("series: [jammy]", None), Ok(Format::V1));
        assert_eq!(with("", Some(bases)), Ok(Format::V2));
        assert_eq!(with("assumes: [juju]", Some(bases)), Ok(Format::V2));
        assert_eq!(with("series: [jammy]", Some(bases)), Ok(Format::V1));
        assert!(with("assumes: [juju]", None).unwrap_err().contains("manifest.yaml"));
        assert!(with("containers: {a: {}}", None).is_err());
        assert!(
            with("series: [jammy]\nassumes: [juju]", Some(bases))
                .unwrap_err()
                .contains("ambiguous")
        );
        assert!(
            with("min-juju-version: 3.0\ncharm-user: root", None)
                .unwrap_err()
                .contains("ambiguous")
        );
        assert!(with("", Some("bases: [{name: beos, channel: '5'}]")).is_err());
        assert!(with("", Some("bases: [{name: ubuntu}]")).is_err());
        assert_eq!(
            with("", Some("bases: [{name: ubuntu, channel: 22.04}]\nanalysis: {}")),
            Ok(Format::V2)
        );
    }

    /// Hook contract C18.
    #[test]
    fn c18_all_files_of_a_split_charm_are_read() {
        let charm = charm(&[
            ("metadata.yaml", METADATA),
            ("manifest.yaml", "bases: [{name: ubuntu, channel: '22.04', architectures: [amd64]}]"),
            ("config.yaml", "options: {port: {type: int, default: 80}}"),
            ("actions.yaml", "backup: {params: {to: {type: string}}}"),
            ("revision", "12\n"),
            ("version", "revision-id: v1.2-3-gabc\nmore\n"),
            ("metrics.yaml", "metrics: {}"),
            ("lxd-profile.yaml", "config: {security.nesting: 'true'}\ndevices: {tun: {type: unix-char, path: /dev/net/tun}}"),
        ])
        .unwrap();
        assert_eq!(charm.bases[0].to_string(), "ubuntu@22.04/stable");
        assert_eq!((charm.revision, charm.version.as_deref()), (Some(12), Some("v1.2-3-gabc")));
        assert!(charm.options.contains_key("port") && charm.actions.contains_key("backup"));
        assert!(charm.metrics && charm.hook_names().contains("collect-metrics"));
        assert!(charm.lxd_profile.is_some());
    }

    #[test]
    fn what_is_no_charm_says_why() {
        assert_eq!(charm(&[]).unwrap_err(), "the charm has no metadata.yaml");
        assert!(charm(&[("charmcraft.yaml", "name: x")]).unwrap_err().contains("packed first"));
        let with = |name: &str, text: &str| charm(&[("metadata.yaml", METADATA), (name, text)]);
        assert!(with("revision", "x").unwrap_err().starts_with("revision: "));
        assert!(with("config.yaml", "a: [").unwrap_err().starts_with("config.yaml:"));
        assert_eq!(
            with("config.yaml", "options:\n  a:\n    type: int\n    default: x\n").unwrap_err(),
            "config.yaml:4: `options.a.default`: expected int, got a string \"x\""
        );
        for bad in ["config: {limits.cpu: 1}", "devices: {d: {type: disk}}", "config: 3", "- x"] {
            assert!(with("lxd-profile.yaml", bad).is_err(), "{bad}");
        }
        assert_eq!(with("version", "").unwrap().version, None);
    }
}

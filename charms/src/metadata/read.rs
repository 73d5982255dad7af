//! Reading `metadata.yaml` (hook contract, section 1.2).

use std::collections::{BTreeMap, BTreeSet};

use super::{CharmUser, Device, Metadata};
use crate::endpoint::{self, Endpoint, Scope};
use crate::name::{ApplicationName, EndpointName, Role};
use crate::yaml::{Field, FieldError};
use crate::{assumes, resource, storage};

/// Keys that only format v1 has.
pub(crate) const V1_KEYS: [&str; 3] = ["series", "deployment", "min-juju-version"];

/// Keys that only format v2 has.
pub(crate) const V2_KEYS: [&str; 3] = ["containers", "assumes", "charm-user"];

pub(crate) fn read(root: &Field<'_>) -> Result<Metadata, FieldError> {
    root.map()?;
    let mut metadata = Metadata::new(root.need("name")?.parse()?);
    root.need("summary")?.text()?.clone_into(&mut metadata.summary);
    root.need("description")?.text()?.clone_into(&mut metadata.description);
    metadata.subordinate = root.boolean_of("subordinate")?;
    metadata.endpoints = endpoints(root, &metadata.name, metadata.subordinate)?;
    metadata.extra_bindings = extra_bindings(root, &metadata.endpoints)?;
    if let Some(field) = root.get("storage")? {
        metadata.storage = keyed(&field, storage::read)?;
    }
    if let Some(field) = root.get("resources")? {
        metadata.resources = keyed(&field, resource::read)?;
    }
    if let Some(field) = root.get("payloads")? {
        metadata.payloads = keyed(&field, |f| f.need("type")?.text().map(str::to_owned))?;
    }
    if let Some(field) = root.get("devices")? {
        metadata.devices = keyed(&field, device)?;
    }
    if let Some(field) = root.get("containers")? {
        metadata.containers = containers(&field)?;
    }
    if let Some(field) = root.get("assumes")? {
        metadata.assumes = assumes::read(&field)?;
    }
    if let Some(field) = root.get("terms")? {
        for item in field.items()? {
            metadata.terms.push(term(&item)?);
        }
    }
    if let Some(field) = root.get("min-juju-version")? {
        let text = field.scalar()?;
        metadata.min_juju_version = Some(text.parse().map_err(|e| field.error(e))?);
    }
    if let Some(field) = root.get("charm-user")? {
        metadata.charm_user = match field.text()? {
            "root" => CharmUser::Root,
            "sudoer" => CharmUser::Sudoer,
            "non-root" => CharmUser::NonRoot,
            _ => return Err(field.error("expected `root`, `sudoer` or `non-root`")),
        };
    }
    metadata.series = root.texts_of("series")?;
    metadata.categories = root.texts_of("categories")?;
    metadata.tags = root.texts_of("tags")?;
    if metadata.subordinate && !metadata.endpoints.values().any(holds_subordinate) {
        return Err(root.error(
            "a subordinate charm needs at least one `requires` endpoint with `scope: container`",
        ));
    }
    Ok(metadata)
}

/// Reads a map of names to things, each by `one`.
fn keyed<K, V>(
    field: &Field<'_>,
    one: impl Fn(&Field<'_>) -> Result<V, FieldError>,
) -> Result<BTreeMap<K, V>, FieldError>
where
    K: Ord + std::str::FromStr<Err: std::fmt::Display>,
{
    field.entries()?.iter().map(|(key, f)| Ok((f.parse_key(key)?, one(f)?))).collect()
}

fn holds_subordinate(endpoint: &Endpoint) -> bool {
    endpoint.role == Role::Requirer && endpoint.scope == Scope::Container
}

fn endpoints(
    root: &Field<'_>,
    charm: &ApplicationName,
    subordinate: bool,
) -> Result<BTreeMap<EndpointName, Endpoint>, FieldError> {
    let mut all = BTreeMap::new();
    for (key, role) in
        [("provides", Role::Provider), ("requires", Role::Requirer), ("peers", Role::Peer)]
    {
        let Some(field) = root.get(key)? else { continue };
        for (name, field) in field.entries()? {
            let endpoint = endpoint::read(&field, role)?;
            if is_reserved(charm, name) && !(subordinate && holds_subordinate(&endpoint)) {
                return Err(field.error(format_args!(
                    "the name {name:?} is reserved: only a subordinate's container-scoped \
                     `requires` may be called `juju` or `juju-…`"
                )));
            }
            let interface = endpoint.interface.as_str();
            if role != Role::Requirer && is_reserved(charm, interface) {
                return Err(field.error(format_args!(
                    "the interface {interface:?} is reserved: charms can only require it"
                )));
            }
            let name: EndpointName = field.parse_key(name)?;
            if all.insert(name, endpoint).is_some() {
                return Err(
                    field.error("an endpoint of this name is there in another role already")
                );
            }
        }
    }
    Ok(all)
}

fn is_reserved(charm: &ApplicationName, name: &str) -> bool {
    !charm.as_str().starts_with("juju-") && (name == "juju" || name.starts_with("juju-"))
}

fn extra_bindings(
    root: &Field<'_>,
    endpoints: &BTreeMap<EndpointName, Endpoint>,
) -> Result<BTreeSet<EndpointName>, FieldError> {
    let Some(field) = root.get("extra-bindings")? else { return Ok(BTreeSet::new()) };
    let mut names = BTreeSet::new();
    for (key, value) in field.entries()? {
        if !value.node().is_null() {
            return Err(value.error("an extra binding has a name and nothing else"));
        }
        let name: EndpointName = value.parse_key(key)?;
        if endpoints.contains_key(&name) {
            return Err(value.error("an endpoint has this name already"));
        }
        names.insert(name);
    }
    if names.is_empty() {
        return Err(field.error("must name at least one binding"));
    }
    Ok(names)
}

fn device(field: &Field<'_>) -> Result<Device, FieldError> {
    let count = |key: &str| field.get(key)?.map(|f| f.count()).transpose();
    let countmin = count("countmin")?.unwrap_or(1);
    let countmax = count("countmax")?.unwrap_or(countmin.max(1));
    if countmin > countmax {
        return Err(field.error(format_args!("countmin {countmin} is above countmax {countmax}")));
    }
    let kind = field.need("type")?.text()?.to_owned();
    Ok(Device { kind, description: field.text_of("description")?, countmin, countmax })
}

fn containers(field: &Field<'_>) -> Result<BTreeSet<String>, FieldError> {
    let mut names = BTreeSet::new();
    for (name, container) in field.entries()? {
        for key in ["uid", "gid"] {
            if let Some(id) = container.get(key)?
                && (1000..10_000).contains(&id.integer()?)
            {
                return Err(id.error("the numbers 1000 to 9999 are reserved"));
            }
        }
        names.insert(name.to_owned());
    }
    Ok(names)
}

/// `[owner/]name[/revision]`.
fn term(field: &Field<'_>) -> Result<String, FieldError> {
    let text = field.text()?;
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.ends_with('-')
    };
    let number = |part: &str| part.parse::<u32>().is_ok_and(|n| n > 0);
    let fits = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => word(name),
        [first, second] => word(first) && (word(second) || number(second)),
        [owner, name, revision] => word(owner) && word(name) && number(revision),
        _ => false,
    };
    if fits && text.len() <= 255 {
        Ok(text.to_owned())
    } else {
        Err(field.error(format_args!("{text:?} is no term: write `[owner/]name[/revision]`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, parse};

    fn metadata(rest: &str) -> Result<Metadata, String> {
        let text = format!("name: wiki\nsummary: A wiki\ndescription: Pages.\n{rest}");
        let node = parse("metadata.yaml", text.as_bytes(), &Limits::FILE).unwrap();
        read(&Field::root("metadata.yaml", &node)).map_err(|e| e.to_string())
    }

    /// Hook contract C01.
    #[test]
    fn c01_name_summary_and_description_are_required() {
        assert!(metadata("").is_ok());
        for missing in ["name", "summary", "description"] {
            let text: String = ["name: a\n", "summary: b\n", "description: c\n"]
                .into_iter()
                .filter(|line| !line.starts_with(missing))
                .collect();
            let node = parse("metadata.yaml", text.as_bytes(), &Limits::FILE).unwrap();
            let error = read(&Field::root("metadata.yaml", &node)).unwrap_err();
            assert_eq!(error.to_string(), format!("metadata.yaml:1: `{missing}` is missing"));
        }
    }

    /// Hook contract C02.
    #[test]
    fn c02_short_and_long_relation_specs_are_the_same() {
        let short = metadata("requires: {db: mysql}").unwrap();
        let long = metadata("requires: {db: {interface: mysql}}").unwrap();
        assert_eq!(short, long);
        let full =
            metadata("requires: {db: {interface: mysql, limit: 1, optional: true}}").unwrap();
        let endpoint = &full.endpoints["db"];
        assert_eq!((endpoint.limit, endpoint.optional), (Some(1), true));
        assert_eq!(metadata("requires: {db: {interface: mysql, limit: null}}").unwrap(), short);
        for bad in [
            "{db: {}}",
            "{db: [mysql]}",
            "{db: {interface: a, limit: -1}}",
            "{db: {interface: a, scope: far}}",
            "{Db: a}",
            "{db: A}",
        ] {
            assert!(metadata(&format!("requires: {bad}")).is_err(), "{bad}");
        }
    }

    /// Hook contract C03.
    #[test]
    fn c03_unknown_keys_are_tolerated() {
        let known = metadata("").unwrap();
        let text = "display-name: Wiki\nmaintainers: [a]\nlinks: {x: [y]}\nformat: 1\nrevision: 4\nnonsense: {a: b}";
        assert_eq!(metadata(text).unwrap(), known);
    }

    /// Hook contract C04.
    #[test]
    fn c04_a_subordinate_needs_a_container_scoped_requires() {
        let error = metadata("subordinate: true").unwrap_err();
        assert!(error.contains("scope: container"), "{error}");
        assert!(
            metadata("subordinate: true\nprovides: {x: {interface: y, scope: container}}").is_err()
        );
        assert!(
            metadata("subordinate: true\nrequires: {x: {interface: y, scope: container}}").is_ok()
        );
    }

    /// Hook contract C07.
    #[test]
    fn c07_a_file_resource_needs_a_filename_that_is_no_path() {
        assert!(metadata("resources: {r: {type: file, filename: a.tgz}}").is_ok());
        assert!(metadata("resources: {r: {filename: a.tgz}}").is_ok());
        assert!(metadata("resources: {r: {type: oci-image}}").is_ok());
        for bad in [
            "{type: file}",
            "{type: file, filename: a/b}",
            "{filename: ..}",
            "{type: disk, filename: a}",
            "{}",
        ] {
            assert!(metadata(&format!("resources: {{r: {bad}}}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn reserved_endpoints_are_for_subordinates() {
        assert!(metadata("provides: {juju-info: juju-info}").is_err());
        assert!(metadata("requires: {juju-info: juju-info}").is_err());
        assert!(metadata("provides: {x: juju-info}").is_err());
        assert!(metadata("requires: {x: juju-info}").is_ok());
        let text =
            "subordinate: true\nrequires: {juju-info: {interface: juju-info, scope: container}}";
        assert!(metadata(text).is_ok());
    }

    #[test]
    fn names_are_unique_over_roles_and_bindings() {
        assert!(
            metadata("provides: {db: a}\nrequires: {db: b}").unwrap_err().contains("another role")
        );
        assert!(metadata("provides: {db: a}\nextra-bindings: {db: null}").is_err());
        assert!(metadata("extra-bindings: {}").is_err());
        assert!(metadata("extra-bindings: {public: {a: b}}").is_err());
        assert!(metadata("extra-bindings: {public: null, admin: }").is_ok());
    }

    #[test]
    fn the_rest_is_checked_as_well() {
        for good in [
            "terms: [a, a/1, owner/a, owner/a/3]",
            "min-juju-version: 3.6",
            "min-juju-version: 2.9.1",
            "devices: {gpu: {type: nvidia, countmin: 1, countmax: 2}}",
            "payloads: {p: {type: docker}}",
            "containers: {c: {resource: r, uid: 10000}}",
            "charm-user: sudoer",
            "provides:\nstorage:\n",
        ] {
            assert!(metadata(good).is_ok(), "{good}: {:?}", metadata(good));
        }
        for bad in [
            "terms: [A]",
            "terms: [a/b/c]",
            "min-juju-version: soon",
            "devices: {gpu: {type: nvidia, countmin: 3, countmax: 2}}",
            "payloads: {p: {}}",
            "containers: {c: {uid: 1000}}",
            "charm-user: me",
            "subordinate: maybe",
            "tags: a",
            "storage: [a]",
            "storage: {data-1: {type: block}}",
        ] {
            assert!(metadata(bad).is_err(), "{bad}");
        }
    }
}

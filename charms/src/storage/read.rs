//! Reading one entry of `storage` (hook contract, section 1.8).

use crate::storage::{Range, StorageKind, StorageSpec, parse_size};
use crate::yaml::{Field, FieldError, Value};

/// Where the agent keeps what it mounts itself; no charm may mount into it.
const AGENT_FOLDER: &str = "/var/lib/juju/storage";

pub(crate) fn read(field: &Field<'_>) -> Result<StorageSpec, FieldError> {
    let kind = field.need("type")?;
    let mut spec = StorageSpec::new(match kind.text()? {
        "filesystem" => StorageKind::Filesystem,
        "block" => StorageKind::Block,
        other => {
            let problem = format!("unknown type {other:?}: expected `filesystem` or `block`");
            return Err(kind.error(problem));
        }
    });
    spec.description = field.text_of("description")?;
    spec.shared = field.boolean_of("shared")?;
    spec.read_only = field.boolean_of("read-only")?;
    if let Some(multiple) = field.get("multiple")? {
        spec.count = range(&multiple.need("range")?)?;
    }
    if let Some(size) = field.get("minimum-size")? {
        spec.minimum_size = minimum(&size)?;
    }
    if let Some(location) = field.get("location")? {
        spec.location = Some(place(&location, spec.kind)?);
    }
    let properties = field.get("properties")?.map_or(Ok(Vec::new()), |list| list.items())?;
    for property in properties {
        match property.text()? {
            "transient" => spec.transient = true,
            other => {
                let problem = format!("unknown property {other:?}: expected `transient`");
                return Err(property.error(problem));
            }
        }
    }
    Ok(spec)
}

/// `m`, `"m-n"`, `"m+"` or `"m-"`.
fn range(field: &Field<'_>) -> Result<Range, FieldError> {
    let (min, max) = match &field.node().value {
        Value::Int(count) => {
            let count = u32::try_from(*count).ok().filter(|count| *count > 0);
            (count, count.map(Some))
        }
        Value::String(text) => match text.split_once(['-', '+']) {
            Some((min, "")) => (number(min), Some(None)),
            Some((min, max)) if text.contains('-') => (number(min), number(max).map(Some)),
            Some(_) => (None, None),
            None => (number(text), number(text).map(Some)),
        },
        _ => (None, None),
    };
    match (min, max) {
        (Some(_), Some(Some(0))) => Err(field.error("the upper bound must not be 0")),
        (Some(min), Some(Some(max))) if min > max => {
            Err(field.error(format_args!("the range {min}-{max} is empty")))
        }
        (Some(min), Some(max)) => Ok(Range { min, max }),
        _ => Err(field.error("expected a count such as `2`, `0-3`, `1+` or `1-`")),
    }
}

fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn minimum(field: &Field<'_>) -> Result<u64, FieldError> {
    // A bare number is in MiB, as the charm format has always read it.
    let size = match &field.node().value {
        Value::Int(size) => u64::try_from(*size).ok(),
        Value::String(text) => number(text).map(u64::from).or_else(|| parse_size(text)),
        _ => None,
    };
    size.filter(|size| *size <= crate::storage::MAX_SIZE)
        .ok_or_else(|| field.error("expected a size such as `512M` or `10G`, of at most 1E"))
}

fn place(field: &Field<'_>, kind: StorageKind) -> Result<String, FieldError> {
    let location = field.text()?;
    if kind == StorageKind::Block {
        return Err(field.error("only a storage of type filesystem has a location"));
    }
    let parts = location.strip_prefix('/').map(|rest| rest.split('/'));
    let Some(mut parts) = parts else {
        return Err(field.error(format_args!("location {location:?} must be an absolute path")));
    };
    if location.len() > 1024 || parts.any(|p| p == ".." || p == "." || p.contains('\0')) {
        return Err(field.error(format_args!("location {location:?} is no plain path")));
    }
    let below = location.trim_end_matches('/');
    if below.is_empty() {
        return Err(field.error("nothing can be mounted on the root folder"));
    }
    if below == AGENT_FOLDER || below.starts_with(&format!("{AGENT_FOLDER}/")) {
        return Err(
            field.error(format_args!("{location:?} lies in the agent's own storage folder"))
        );
    }
    Ok(location.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, parse};

    fn spec(text: &str) -> Result<StorageSpec, FieldError> {
        let node = parse("metadata.yaml", text.as_bytes(), &Limits::FILE).unwrap();
        read(&Field::root("metadata.yaml", &node))
    }

    /// Hook contract C06.
    #[test]
    fn c06_ranges_parse() {
        let range = |text: &str| {
            spec(&format!("{{type: filesystem, multiple: {{range: {text}}}}}"))
                .map(|s| (s.count.min, s.count.max))
                .ok()
        };
        assert_eq!(range("2"), Some((2, Some(2))));
        assert_eq!(range("\"0-3\""), Some((0, Some(3))));
        assert_eq!(range("\"1+\""), Some((1, None)));
        assert_eq!(range("\"1-\""), Some((1, None)));
        assert_eq!(range("\"2\""), Some((2, Some(2))));
        assert_eq!(range("0-3"), Some((0, Some(3))));
        for bad in [
            "0",
            "-1",
            "\"0\"",
            "\"0-0\"",
            "\"3-1\"",
            "\"a\"",
            "\"+\"",
            "\"-1\"",
            "\"1+2\"",
            "\"1-2-3\"",
            "1.5",
            "[]",
            "\"4294967296\"",
        ] {
            assert_eq!(range(bad), None, "{bad}");
        }
        assert_eq!(spec("{type: block}").unwrap().count, Range::ONE);
    }

    /// Hook contract C05.
    #[test]
    fn c05_only_file_systems_have_a_location() {
        assert!(spec("{type: filesystem, location: /srv/data}").is_ok());
        let error = spec("{type: block, location: /srv/data}").unwrap_err();
        assert_eq!(error.path, "location");
    }

    #[test]
    fn locations_are_plain_and_not_the_agents() {
        for bad in ["srv", "/srv/../etc", "/", "/var/lib/juju/storage", "/var/lib/juju/storage/x"] {
            assert!(spec(&format!("{{type: filesystem, location: {bad}}}")).is_err(), "{bad}");
        }
        assert!(spec("{type: filesystem, location: /var/lib/juju/storages}").is_ok());
    }

    #[test]
    fn sizes_properties_and_types_are_checked() {
        assert_eq!(spec("{type: block, minimum-size: 10G}").unwrap().minimum_size, 10_240);
        assert_eq!(spec("{type: block, minimum-size: 100}").unwrap().minimum_size, 100);
        assert!(spec("{type: block, minimum-size: 10Q}").is_err());
        assert!(spec("{type: block, minimum-size: 2E}").is_err());
        assert!(spec("{type: block, properties: [transient]}").unwrap().transient);
        assert!(spec("{type: block, properties: [fast]}").is_err());
        assert!(spec("{type: block, properties: fast}").is_err());
        assert!(spec("{type: tape}").is_err());
        assert!(spec("{}").is_err());
    }
}

//! From one tree to a [`Bundle`] (CLI contract, sections 8.1 and 8.2).

use std::collections::BTreeMap;

use super::{ApplicationSpec, Bundle, EndpointRef, Exposure, MachineSpec, Offer, ResourceRef};
use crate::manifest::Base;
use crate::yaml::{Field, FieldError, Node, Value};

const TOP: [&str; 17] = [
    "applications",
    "bundle",
    "default-base",
    "description",
    "docs",
    "issues",
    "machines",
    "name",
    "relations",
    "saas",
    "series",
    "source",
    "tags",
    "type",
    "variables",
    "website",
    "assumes",
];

const APPLICATION: [&str; 23] = [
    "annotations",
    "base",
    "bindings",
    "channel",
    "charm",
    "constraints",
    "devices",
    "expose",
    "exposed-endpoints",
    "num_units",
    "offers",
    "options",
    "placement",
    "plan",
    "requires_trust",
    "resources",
    "revision",
    "scale",
    "series",
    "storage",
    "to",
    "trust",
    "charm-user",
];

/// Collects what is wrong instead of stopping at it.
struct Reader {
    problems: Vec<String>,
    unknown: Vec<String>,
}

pub(super) fn bundle(file: &str, node: &Node) -> (Bundle, Vec<String>) {
    let mut reader = Reader { problems: Vec::new(), unknown: Vec::new() };
    let root = Field::root(file, node);
    let mut bundle = Bundle::default();
    reader.unknown(&root, &TOP);
    if let Some(kind) = reader.get(&root, "bundle")
        && kind.node().as_str() != Some("machine")
    {
        let problem = "bundles of this kind (kubernetes) cannot be deployed on machines";
        reader.problems.push(kind.error(problem).to_string());
    }
    bundle.name = reader.text(&root, "name");
    bundle.description = reader.text(&root, "description");
    bundle.series = reader.text(&root, "series");
    bundle.default_base = reader.base(&root, "default-base");
    if let (Some(_), Some(_)) = (&bundle.series, &bundle.default_base) {
        let problem = root.error("`series` and `default-base` must not be mixed");
        reader.problems.push(problem.to_string());
    }
    for (key, field) in reader.entries(&root, "applications") {
        if let Some(name) = reader.keep(field.parse_key(key)) {
            let application = reader.application(&field);
            bundle.applications.insert(name, application);
        }
    }
    for (key, field) in reader.entries(&root, "machines") {
        let machine = reader.machine(&field);
        if key.parse::<u32>().is_ok_and(|number| number.to_string() == key) {
            bundle.machines.insert(key.to_owned(), machine);
        } else {
            let problem = field.error("a machine of a bundle is called by a number");
            reader.problems.push(problem.to_string());
        }
    }
    for (key, field) in reader.entries(&root, "saas") {
        let url = reader.keep(field.need("url").and_then(|f| f.text().map(str::to_owned)));
        if let (Some(name), Some(url)) = (reader.keep(field.parse_key(key)), url) {
            bundle.saas.insert(name, url);
        }
    }
    for field in reader.items(&root, "relations") {
        if let Some(relation) = reader.keep(relation(&field)) {
            bundle.relations.push(relation);
        }
    }
    bundle.unknown_keys = reader.unknown;
    (bundle, reader.problems)
}

fn relation(field: &Field<'_>) -> Result<(EndpointRef, EndpointRef), FieldError> {
    match field.items()?.as_slice() {
        [a, b] => Ok((a.parse()?, b.parse()?)),
        sides => {
            Err(field.error(format_args!("a relation has two sides, this one {}", sides.len())))
        }
    }
}

impl Reader {
    fn keep<T>(&mut self, result: Result<T, FieldError>) -> Option<T> {
        result.map_err(|error| self.problems.push(error.to_string())).ok()
    }

    fn get<'a>(&mut self, field: &Field<'a>, key: &str) -> Option<Field<'a>> {
        self.keep(field.get(key)).flatten()
    }

    fn entries<'a>(&mut self, field: &Field<'a>, key: &str) -> Vec<(&'a str, Field<'a>)> {
        let Some(field) = self.get(field, key) else { return Vec::new() };
        self.keep(field.entries()).unwrap_or_default()
    }

    fn items<'a>(&mut self, field: &Field<'a>, key: &str) -> Vec<Field<'a>> {
        let Some(field) = self.get(field, key) else { return Vec::new() };
        self.keep(field.items()).unwrap_or_default()
    }

    fn text(&mut self, field: &Field<'_>, key: &str) -> Option<String> {
        let field = self.get(field, key)?;
        self.keep(field.text().map(str::to_owned))
    }

    /// A text that may be written as a number, such as a channel.
    fn scalar(&mut self, field: &Field<'_>, key: &str) -> Option<String> {
        let field = self.get(field, key)?;
        self.keep(field.scalar())
    }

    fn boolean(&mut self, field: &Field<'_>, key: &str) -> bool {
        self.keep(field.boolean_of(key)).unwrap_or_default()
    }

    fn count(&mut self, field: &Field<'_>, key: &str) -> Option<u32> {
        let field = self.get(field, key)?;
        self.keep(field.count())
    }

    fn base(&mut self, field: &Field<'_>, key: &str) -> Option<Base> {
        let field = self.get(field, key)?;
        self.keep(field.parse())
    }

    fn unknown(&mut self, field: &Field<'_>, known: &[&str]) {
        for entry in field.node().as_map().into_iter().flat_map(|map| map.iter()) {
            if !known.contains(&entry.key.as_str()) {
                let path = field.path();
                let dot = if path.is_empty() { "" } else { "." };
                self.unknown.push(format!("{path}{dot}{}", entry.key));
            }
        }
    }

    /// A map whose values are read by `one`.
    fn map<K, V>(
        &mut self,
        field: &Field<'_>,
        key: &str,
        one: impl Fn(&Field<'_>) -> Result<V, FieldError>,
    ) -> BTreeMap<K, V>
    where
        K: Ord + std::str::FromStr<Err: std::fmt::Display>,
    {
        let mut map = BTreeMap::new();
        for (key, field) in self.entries(field, key) {
            let name = self.keep(field.parse_key(key));
            let value = self.keep(one(&field));
            if let (Some(name), Some(value)) = (name, value) {
                map.insert(name, value);
            }
        }
        map
    }

    fn application(&mut self, field: &Field<'_>) -> ApplicationSpec {
        if self.keep(field.map()).is_none() {
            return ApplicationSpec::default();
        }
        self.unknown(field, &APPLICATION);
        let scale = self.count(field, "scale");
        let num_units = self.count(field, "num_units");
        if scale.is_some() && num_units.is_some() {
            let problem = field.error("`num_units` and `scale` must not both be there");
            self.problems.push(problem.to_string());
        }
        if let Some(placement) = self.get(field, "placement") {
            let problem = placement.error("only kubernetes bundles have this; machines use `to`");
            self.problems.push(problem.to_string());
        }
        let text = |f: &Field<'_>| f.text().map(str::to_owned);
        ApplicationSpec {
            charm: self.text(field, "charm").unwrap_or_default(),
            channel: self.scalar(field, "channel"),
            revision: self.count(field, "revision"),
            base: self.base(field, "base"),
            series: self.text(field, "series"),
            num_units: num_units.or(scale),
            to: self.placements(field),
            options: self.map(field, "options", |f| Ok(f.node().clone())),
            annotations: self.map(field, "annotations", text),
            constraints: self.text(field, "constraints"),
            storage: self.map(field, "storage", directive),
            devices: self.map(field, "devices", |f| f.scalar()),
            bindings: self.map(field, "bindings", text),
            resources: self.map(field, "resources", resource),
            expose: self.boolean(field, "expose"),
            exposed_endpoints: self.map(field, "exposed-endpoints", |f| {
                Ok(Exposure { spaces: f.texts_of("expose-to-spaces")?, cidrs: cidrs(f)? })
            }),
            offers: self.map(field, "offers", offer),
            trust: self.boolean(field, "trust"),
        }
    }

    fn placements(&mut self, field: &Field<'_>) -> Vec<super::Placement> {
        let Some(to) = self.get(field, "to") else { return Vec::new() };
        let list = match &to.node().value {
            Value::List(_) => self.keep(to.items()).unwrap_or_default(),
            _ => vec![to],
        };
        // Machines are numbers, and few people quote them.
        let read = |f: &Field<'_>| f.scalar()?.parse().map_err(|e| f.error(e));
        list.iter().filter_map(|item| self.keep(read(item))).collect()
    }

    fn machine(&mut self, field: &Field<'_>) -> MachineSpec {
        let text = |f: &Field<'_>| f.text().map(str::to_owned);
        MachineSpec {
            constraints: self.text(field, "constraints"),
            annotations: self.map(field, "annotations", text),
            base: self.base(field, "base"),
            series: self.text(field, "series"),
        }
    }
}

/// Each network parsed where it stands, so that what is none is named with its line.
fn cidrs(field: &Field<'_>) -> Result<Vec<crate::Cidr>, FieldError> {
    let Some(list) = field.get("expose-to-cidrs")? else { return Ok(Vec::new()) };
    list.items()?.iter().map(Field::parse).collect()
}

fn directive(field: &Field<'_>) -> Result<crate::StorageDirective, FieldError> {
    field.scalar()?.parse().map_err(|error| field.error(error))
}

fn resource(field: &Field<'_>) -> Result<ResourceRef, FieldError> {
    match &field.node().value {
        Value::Int(_) => field.count().map(ResourceRef::Revision),
        Value::String(path) if !path.is_empty() => Ok(ResourceRef::Path(path.clone())),
        _ => Err(field.error("expected a revision or a path")),
    }
}

fn offer(field: &Field<'_>) -> Result<Offer, FieldError> {
    let mut offer = Offer::default();
    for endpoint in field.need("endpoints")?.items()? {
        offer.endpoints.push(endpoint.parse()?);
    }
    for (user, access) in field.get("acl")?.map_or(Ok(Vec::new()), |acl| acl.entries())? {
        let word = access.text()?;
        if !["read", "consume", "admin"].contains(&word) {
            return Err(access.error("expected read, consume or admin"));
        }
        offer.acl.insert(user.to_owned(), word.to_owned());
    }
    Ok(offer)
}

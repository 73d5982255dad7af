//! What is wrong with a bundle, all of it (CLI contract, section 8.3).

use std::collections::{BTreeMap, BTreeSet};

use super::{ApplicationSpec, Bundle, EndpointRef, Target};
use crate::charm::Charm;
use crate::name::{ApplicationName, EndpointName, OptionName, Role};
use crate::option::OptionValue;

/// What can be said without knowing the charms.
pub(super) fn alone(
    bundle: &Bundle,
    constraints: &dyn Fn(&str) -> Result<(), String>,
) -> Vec<String> {
    let mut problems = Vec::new();
    if bundle.applications.is_empty() {
        problems.push("there must be at least one application".to_owned());
    }
    let mut used = BTreeSet::new();
    for (name, spec) in &bundle.applications {
        let mut say = |problem: String| problems.push(format!("application {name}: {problem}"));
        if spec.charm.is_empty() {
            say("no charm".to_owned());
        }
        if spec.revision.is_some() && spec.channel.is_none() && !spec.is_local() {
            say("a `revision` needs a `channel`".to_owned());
        }
        if spec.expose && !spec.exposed_endpoints.is_empty() {
            say("`expose` and `exposed-endpoints` must not both be there".to_owned());
        }
        if let Some(Err(problem)) = spec.constraints.as_deref().map(constraints) {
            say(format!("constraints: {problem}"));
        }
        for (device, text) in &spec.devices {
            if !is_device(text) {
                say(format!("device {device}: {text:?} is not `[count,]type[,attribute=value;…]`"));
            }
        }
        placements(bundle, name, spec, &mut used, &mut say);
    }
    for (number, machine) in &bundle.machines {
        if !used.contains(number) {
            problems.push(format!("machine {number} is defined and not used by any placement"));
        }
        if let Some(Err(problem)) = machine.constraints.as_deref().map(constraints) {
            problems.push(format!("machine {number}: constraints: {problem}"));
        }
    }
    for (alias, url) in &bundle.saas {
        if bundle.applications.contains_key(alias) {
            problems.push(format!("{alias} is both an application and an alias of saas"));
        }
        if !is_offer_url(url) {
            problems
                .push(format!("saas {alias}: {url:?} is not `[controller:][user/]model.offer`"));
        }
    }
    relations(bundle, &mut problems);
    problems
}

fn placements(
    bundle: &Bundle,
    name: &ApplicationName,
    spec: &ApplicationSpec,
    used: &mut BTreeSet<String>,
    say: &mut impl FnMut(String),
) {
    let units = spec.num_units.unwrap_or(1) as usize;
    if spec.num_units.is_some() && spec.to.len() > units {
        say(format!("`to` has {} entries for {units} units", spec.to.len()));
    }
    for placement in &spec.to {
        match &placement.target {
            Target::New => {}
            Target::Machine(number) => {
                used.insert(number.clone());
                if !bundle.machines.contains_key(number) {
                    say(format!("placement {placement}: there is no machine {number}"));
                }
            }
            Target::Unit(other, _) | Target::Application(other) if other == name => {
                say(format!("placement {placement}: an application cannot be placed on itself"));
            }
            Target::Application(other) => {
                if !bundle.applications.contains_key(other) {
                    say(format!("placement {placement}: there is no application {other}"));
                }
            }
            Target::Unit(other, number) => match bundle.applications.get(other) {
                None => say(format!("placement {placement}: there is no application {other}")),
                Some(spec) if *number >= spec.num_units.unwrap_or(1) => {
                    say(format!("placement {placement}: {other} has no unit {number}"));
                }
                Some(_) => {}
            },
        }
    }
}

fn relations(bundle: &Bundle, problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (a, b) in &bundle.relations {
        for side in [a, b] {
            let name = &side.application;
            if !bundle.applications.contains_key(name) && !bundle.saas.contains_key(name) {
                problems.push(format!("relation {a} {b}: there is no application {name}"));
            }
        }
        if a.application == b.application && (a.endpoint == b.endpoint) {
            problems.push(format!("relation {a} {b}: an endpoint cannot be related to itself"));
        }
        let pair = if a <= b { (a, b) } else { (b, a) };
        if !seen.insert(pair) {
            problems.push(format!("relation {a} {b} is listed twice"));
        }
    }
}

/// `[count,]type[,attr=v;attr=v]` (CLI contract, section 7.4).
fn is_device(text: &str) -> bool {
    let pair = |text: &str| text.split_once('=').is_some_and(|(key, _)| !key.is_empty());
    let mut parts = text.split(',').peekable();
    if parts.peek().is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 0)) {
        parts.next();
    }
    let kind = parts.next().is_some_and(|kind| !kind.is_empty() && !kind.contains('='));
    let attributes = parts.next().is_none_or(|list| list.split(';').all(pair));
    kind && attributes && parts.next().is_none()
}

fn is_offer_url(url: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'@' | b'+' | b'.'))
    };
    let rest = match url.split_once(':') {
        Some((controller, rest)) if word(controller) => rest,
        Some(_) => return false,
        None => url,
    };
    let rest = match rest.split_once('/') {
        Some((user, rest)) if word(user) => rest,
        Some(_) => return false,
        None => rest,
    };
    rest.split_once('.')
        .is_some_and(|(model, offer)| word(model) && word(offer) && !offer.contains('.'))
}

/// What is wrong with a bundle once its charms are read; `charms` holds those of its applications.
///
/// An application whose charm is not there is not looked at.
#[must_use]
pub fn with_charms(bundle: &Bundle, charms: &BTreeMap<ApplicationName, Charm>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, spec) in &bundle.applications {
        let Some(charm) = charms.get(name) else { continue };
        let mut say = |problem: String| problems.push(format!("application {name}: {problem}"));
        if charm.metadata.subordinate {
            if spec.num_units.is_some_and(|units| units > 0) {
                say("a subordinate has no units of its own".to_owned());
            }
            if !spec.to.is_empty() {
                say("a subordinate cannot be placed".to_owned());
            }
        }
        if let Err(found) = options(spec, charm) {
            found.into_iter().for_each(&mut say);
        }
        for (storage, directive) in &spec.storage {
            match charm.metadata.storage.get(storage) {
                None => say(format!("the charm has no storage {storage}")),
                Some(declared) => {
                    let count = directive.count.unwrap_or(declared.count.min.max(1));
                    if !declared.count.admits(count) {
                        say(format!("storage {storage}: {count} is not within {}", declared.count));
                    }
                    if directive.size.is_some_and(|size| size < declared.minimum_size) {
                        say(format!(
                            "storage {storage}: at least {}M are needed",
                            declared.minimum_size
                        ));
                    }
                }
            }
        }
        for resource in spec.resources.keys() {
            if !charm.metadata.resources.contains_key(resource) {
                say(format!("the charm has no resource {resource}"));
            }
        }
        let known = |endpoint: &str| {
            endpoint.parse().is_ok_and(|endpoint: EndpointName| {
                charm.endpoint(&endpoint).is_some()
                    || charm.metadata.extra_bindings.contains(&endpoint)
            })
        };
        for endpoint in spec.bindings.keys().chain(spec.exposed_endpoints.keys()) {
            if !endpoint.is_empty() && !known(endpoint) {
                say(format!("the charm has no endpoint {endpoint}"));
            }
        }
        for endpoint in spec.offers.values().flat_map(|offer| &offer.endpoints) {
            if charm.endpoint(endpoint).is_none() {
                say(format!("the charm has no endpoint {endpoint}"));
            }
        }
    }
    for (a, b) in &bundle.relations {
        if let (Some(left), Some(right)) = (charms.get(&a.application), charms.get(&b.application))
            && let Err(problem) = relate((a, left), (b, right))
        {
            problems.push(format!("relation {a} {b}: {problem}"));
        }
    }
    problems
}

/// The endpoints that a relation of a bundle means, or why there is not exactly one pair.
pub fn relate(
    (a, left): (&EndpointRef, &Charm),
    (b, right): (&EndpointRef, &Charm),
) -> Result<(EndpointName, EndpointName), String> {
    let choices = |side: &EndpointRef, charm: &Charm| -> Result<Vec<_>, String> {
        match &side.endpoint {
            None => Ok(charm.all_endpoints().into_iter().collect()),
            Some(name) => match charm.endpoint(name) {
                Some(endpoint) => Ok(vec![(name.clone(), endpoint)]),
                None => Err(format!("{} has no endpoint {name}", side.application)),
            },
        }
    };
    let (lefts, rights) = (choices(a, left)?, choices(b, right)?);
    let mut pairs = Vec::new();
    for (left_name, left) in &lefts {
        for (right_name, right) in &rights {
            let roles = (left.role, right.role);
            let opposite = roles == (Role::Provider, Role::Requirer)
                || roles == (Role::Requirer, Role::Provider);
            if opposite && left.interface == right.interface {
                pairs.push((left_name.clone(), right_name.clone()));
            }
        }
    }
    // Everything provides juju-info; it is meant only where nothing else can be.
    let implicit =
        |charm: &Charm, name: &EndpointName| !charm.metadata.endpoints.contains_key(name);
    let declared =
        |(l, r): &(EndpointName, EndpointName)| !implicit(left, l) && !implicit(right, r);
    if pairs.iter().any(declared) {
        pairs.retain(declared);
    }
    match pairs.as_slice() {
        [] => Err("no endpoints match".to_owned()),
        [pair] => Ok(pair.clone()),
        _ => {
            let told: Vec<_> = pairs
                .iter()
                .map(|(l, r)| format!("{}:{l} {}:{r}", a.application, b.application))
                .collect();
            Err(format!("ambiguous, it could be: {}", told.join(", ")))
        }
    }
}

/// The settings of an application in the types of its charm; a null resets an option.
pub fn options(
    spec: &ApplicationSpec,
    charm: &Charm,
) -> Result<BTreeMap<OptionName, Option<OptionValue>>, Vec<String>> {
    let mut problems = Vec::new();
    let mut options = BTreeMap::new();
    for (name, node) in &spec.options {
        let Some(option) = charm.options.get(name) else {
            // An application's own setting, which any charm's application has.
            if name.as_str() != "trust" {
                problems.push(format!("the charm has no option {name}"));
            }
            continue;
        };
        if node.is_null() {
            options.insert(name.clone(), None);
            continue;
        }
        match option.kind.parse_yaml(node) {
            Ok(value) => {
                options.insert(name.clone(), Some(value));
            }
            // A number is text where text is wanted: nobody quotes a port in a bundle.
            Err(problem) => match node.scalar_text().map(|text| option.kind.parse_text(&text)) {
                Some(Ok(value)) => {
                    options.insert(name.clone(), Some(value));
                }
                _ => problems.push(format!("option {name}: {problem}")),
            },
        }
    }
    if problems.is_empty() { Ok(options) } else { Err(problems) }
}

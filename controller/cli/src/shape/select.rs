//! Selectors of `status` (CLI contract §3.10): what a word matches, and what is shown with it.

use std::collections::BTreeSet;

use super::status::{Machine, Status, Unit};

/// Keeps what one of `selectors` matches, with what belongs to it: an application with its machines
/// and what it is related to, a unit with its application and machine, a machine with what lives
/// there.
pub fn keep(status: &mut Status, selectors: &[String]) {
    let hit = |text: &str| selectors.iter().any(|pattern| fits(pattern, text));
    let mut applications: BTreeSet<String> = BTreeSet::new();
    let mut units: BTreeSet<String> = BTreeSet::new();
    let mut machines: BTreeSet<String> = status
        .machines
        .iter()
        .filter(|(id, m)| machine_hit(id, m, &hit))
        .map(|(id, _)| id.clone())
        .collect();
    for (name, application) in &status.applications {
        let whole = hit(name) || hit(&application.application_status.current);
        if whole {
            applications.insert(name.clone());
        }
        for (unit_name, unit) in &application.units {
            let on = unit.machine.as_ref().is_some_and(|id| machines.contains(id));
            if whole || on || unit_hit(unit_name, unit, &hit) {
                units.insert(unit_name.clone());
                applications.insert(name.clone());
            }
        }
    }
    // What subordinates of a kept unit belong to is kept with it, and the other way round.
    for (name, application) in &status.applications {
        for unit in application.units.iter().filter(|(unit, _)| units.contains(*unit)) {
            applications.extend(unit.1.subordinates.keys().filter_map(|sub| owner(sub)));
            machines.extend(unit.1.machine.clone());
        }
        if application.units.is_empty() && hit(name) {
            applications.extend(application.subordinate_to.iter().cloned());
        }
    }
    let related: BTreeSet<String> = status
        .applications
        .iter()
        .filter(|(name, _)| hit(name))
        .flat_map(|(_, application)| application.relations.values().flatten())
        .map(|related| related.related_application.clone())
        .collect();
    status.applications.retain(|name, _| applications.contains(name) || related.contains(name));
    for (name, application) in &mut status.applications {
        if applications.contains(name) && !related.contains(name) {
            application.units.retain(|unit, _| units.contains(unit));
        }
        machines.extend(application.units.values().filter_map(|unit| unit.machine.clone()));
    }
    status.machines.retain(|id, _| machines.contains(id));
    status.integrations.retain(|one| {
        let kept =
            |end: &str| end.split(':').next().is_some_and(|name| applications.contains(name));
        kept(&one.provider) || kept(&one.requirer)
    });
}

fn owner(unit: &str) -> Option<String> {
    unit.split_once('/').map(|(application, _)| application.to_owned())
}

fn unit_hit(name: &str, unit: &Unit, hit: &impl Fn(&str) -> bool) -> bool {
    hit(name)
        || hit(&unit.workload_status.current)
        || hit(&unit.juju_status.current)
        || unit.public_address.as_deref().is_some_and(hit)
        || unit.open_ports.iter().any(|port| hit(port))
        || unit.subordinates.iter().any(|(name, unit)| unit_hit(name, unit, hit))
}

fn machine_hit(id: &str, machine: &Machine, hit: &impl Fn(&str) -> bool) -> bool {
    hit(id)
        || hit(&machine.juju_status.current)
        || machine.ip_addresses.iter().any(|address| hit(address))
}

/// Whether `text` fits a pattern in which `*` stands for anything.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(held) = last.replace(part) {
            match rest.split_once(held) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
    }
    match last {
        None => rest.is_empty(),
        Some(part) => rest.ends_with(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::status::{Application, Related};

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("wiki", "wiki", true),
            ("wiki", "wiki/0", false),
            ("wiki/*", "wiki/0", true),
            ("*", "", true),
            ("*ki*0", "wiki/0", true),
            ("*ki*1", "wiki/0", false),
            ("a*a", "a", false),
            ("10.0.*", "10.0.0.1", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    fn story() -> Status {
        let mut status = Status::default();
        for (name, machine, other) in [("wiki", "0", "db"), ("db", "1", "wiki"), ("log", "2", "")] {
            let mut application = Application::default();
            let unit = Unit { machine: Some(machine.to_owned()), ..Unit::default() };
            application.units.insert(format!("{name}/0"), unit);
            if !other.is_empty() {
                let related =
                    Related { related_application: other.to_owned(), ..Related::default() };
                application.relations.insert("x".to_owned(), vec![related]);
            }
            status.applications.insert(name.to_owned(), application);
            status.machines.insert(machine.to_owned(), Machine::default());
        }
        status
    }

    fn kept(selector: &str) -> (Vec<String>, Vec<String>) {
        let mut status = story();
        keep(&mut status, &[selector.to_owned()]);
        (status.applications.into_keys().collect(), status.machines.into_keys().collect())
    }

    #[test]
    fn what_belongs_to_a_match_is_kept() {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(kept("wiki"), (own(&["db", "wiki"]), own(&["0", "1"])));
        assert_eq!(kept("wiki/0"), (own(&["wiki"]), own(&["0"])));
        assert_eq!(kept("2"), (own(&["log"]), own(&["2"])));
        assert_eq!(kept("nobody"), (own(&[]), own(&[])));
    }
}

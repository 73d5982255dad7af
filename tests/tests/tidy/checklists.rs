//! Each id of a checklist is claimed by a test, or is in the list of the unproven, which only shrinks.

use std::collections::{BTreeMap, BTreeSet};

use muster_tests::checklist::{self, Checklist, Claim};

use crate::tree::{root, rust};

/// How many ids of each checklist are unproven. A number falls when a proof is added; it never rises.
const UNPROVEN: &[(&str, usize)] = &[("hook-contract", 12)];

fn lists() -> Vec<(Checklist, BTreeSet<Claim>)> {
    let lists = checklist::read(root()).unwrap_or_else(|error| panic!("{error}"));
    let claims = checklist::claims(root(), &lists).unwrap_or_else(|error| panic!("{error}"));
    assert!(!lists.is_empty(), "the checklists were not found");
    lists.into_iter().zip(claims).collect()
}

#[test]
fn every_id_is_claimed_or_unproven_and_never_both() {
    let mut wrong = Vec::new();
    for (list, claims) in lists() {
        for id in list.lines.keys() {
            let claimed = claims.iter().any(|claim| claim.id == *id);
            match (claimed, list.unproven.contains_key(id)) {
                (false, false) => wrong.push(format!("{} {id}: no test claims it", list.name)),
                (true, true) => {
                    wrong.push(format!("{} {id}: claimed; take it out of the unproven", list.name));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_list_of_the_unproven_only_shrinks() {
    for (list, _) in lists() {
        let kept = UNPROVEN.iter().find(|(name, _)| *name == list.name);
        let (_, most) = kept.unwrap_or_else(|| panic!("{} has no number here", list.name));
        let now = list.unproven.len();
        assert!(now <= *most, "{}: {now} unproven, grown from {most}", list.name);
        assert!(now == *most, "{}: {now} unproven; let the number here fall", list.name);
    }
}

#[test]
fn a_test_that_claims_has_its_name_for_itself() {
    // The test runner says names without files; two of one name could pass for each other.
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in rust() {
        for line in text.lines() {
            let Some((_, rest)) = line.split_once("fn ") else { continue };
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            places.entry(name).or_default().push(path.clone());
        }
    }
    for (_, claims) in lists() {
        for claim in claims {
            let there = &places[&claim.test];
            assert!(there.len() == 1, "{}: `{}` is also in {there:?}", claim.place, claim.test);
        }
    }
}

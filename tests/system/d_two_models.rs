//! (d) Two models side by side do not see each other.

use std::collections::BTreeSet;

use muster_tests::demo::{Hand, job, stand};

use crate::b_agent_killed::SECOND;
use crate::stand::{MODEL, OrFail, bundle, count, exec, units};

#[test]
fn d_two_models_with_the_same_names_do_not_meet() {
    let ((first, one), (second, two)) = (bundle(MODEL), bundle(SECOND));
    assert_eq!(units(&first, "spark"), units(&second, "spark"), "the names are the same");
    let (here, there) = (addresses(&first), addresses(&second));
    assert!(here.is_disjoint(&there), "{here:?} and {there:?}");
    assert_ne!(one.endpoint, two.endpoint);
    assert_ne!(one.secret_key, two.secret_key);

    let rows =
        |hand: &Hand| job::rows(hand, "select value, created from test.data").or_fail().len();
    let (before, beside) = (rows(&first), rows(&second));
    count(&first, &one);
    assert_eq!(
        (rows(&first), rows(&second)),
        (before + 1, beside),
        "only one database has a new row"
    );
}

#[test]
fn d_a_change_in_one_model_leaves_the_other_alone() {
    let ((first, _), (second, _)) = (bundle(MODEL), bundle(SECOND));
    let value = |hand: &Hand| hand.run(&["config", "spark", "worker-cleanup-ttl"]).or_fail();
    let rendered = |hand: &Hand| {
        let digest = ["sh", "-c", "cat /etc/spark/* | sha256sum"];
        units(hand, "spark").iter().map(|unit| exec(hand, unit, &digest)).collect::<Vec<_>>()
    };
    let (before, quiet) = (value(&second), rendered(&second));
    first.run(&["config", "spark", "worker-cleanup-ttl=3600"]).or_fail();
    stand::settled(&first, &crate::stand::stand().voice).or_fail();
    assert_eq!(value(&first).trim(), "3600");
    assert_eq!(value(&second), before);
    assert_eq!(rendered(&second), quiet, "the other model's settings are as they were");
}

fn addresses(hand: &Hand) -> BTreeSet<String> {
    let status = hand.status().or_fail();
    let addresses = stand::units(&status).map(|(name, unit)| {
        unit["public-address"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} has an address"))
            .to_owned()
    });
    addresses.collect()
}

//! (g) Everything is removed, and nothing is left on the host.

use serde_json::Value;

use crate::stand::{CONTROLLER, MODEL, OrFail, bundle, stand};
use crate::traces::Traces;

#[test]
fn g_1_a_destroyed_model_is_gone_when_the_command_returns() {
    bundle(MODEL);
    let hand = &stand().hand;
    let model = format!("{CONTROLLER}:{MODEL}");
    hand.bare(&["destroy-model", &model, "--no-prompt", "--destroy-storage"]).run().or_fail();
    let models = hand.bare(&["models", "--controller", CONTROLLER, "--format", "json"]).run();
    let models: Value = serde_json::from_str(&models.or_fail()).expect("JSON");
    let names = models["models"].as_array().expect("models").iter();
    let names: Vec<_> = names.filter_map(|model| model["short-name"].as_str()).collect();
    assert!(!names.contains(&MODEL), "{names:?}");
    let again = hand.bare(&["destroy-model", &model, "--no-prompt"]).run().expect_err("it is gone");
    assert!(again.to_string().contains("not found"), "{again}");
}

#[test]
fn g_2_kill_controller_leaves_nothing() {
    let stand = stand();
    stand.hand.bare(&["kill-controller", CONTROLLER, "--no-prompt"]).run().or_fail();
    let left = Traces::of_this_host().beyond(&stand.before);
    assert!(left.is_empty(), "left on this host:\n{}", left.join("\n"));
}

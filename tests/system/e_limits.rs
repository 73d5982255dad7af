//! (e) What a machine was asked to have is what its agent finds there.

use crate::stand::{OrFail, stand};
use muster_tests::demo::stand as demo;

const MODEL: &str = "limits";

#[test]
fn e_limits_are_what_the_agent_sees() {
    let stand = stand();
    let hand = stand.hand.on(MODEL);
    demo::controller(&hand, &stand.voice).or_fail();
    hand.run(&["add-machine", "--constraints", "mem=1G cores=1"]).or_fail();
    hand.run(&["wait-for", "machine", "0", "--timeout", "5m"]).or_fail();
    let status = hand.status().or_fail();
    let hardware = status["machines"]["0"]["hardware"].as_str().expect("hardware");
    assert!(hardware.contains(" cores=1 mem=1024M "), "{hardware}");
    let model = format!("{}:{MODEL}", hand.controller());
    hand.bare(&["destroy-model", &model, "--no-prompt"]).run().or_fail();
}

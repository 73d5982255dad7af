//! (b) Agents are killed in every state that a journal passes while the bundle is deployed.

use crate::killer::Killer;
use crate::stand::{bundle, count};

/// The model that (d) looks at beside the first one.
pub(crate) const SECOND: &str = "second";

#[test]
fn b_agents_killed_at_every_journal_state_still_bring_the_bundle_up() {
    let killer = Killer::begin();
    let (hand, bucket) = bundle(SECOND);
    let met = killer.end();
    count(&hand, &bucket);
    for state in ["deploying", "deployed", "running", "committing"] {
        assert!(met.contains(state), "no agent was killed while `{state}`; only in {met:?}");
    }
}

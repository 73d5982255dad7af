//! Hooks in their order, on real processes (hook contract, section 7.4).

mod support;

use support::{CharmText, Host};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l01_a_leader_is_deployed() {
    let mut host = Host::new(&CharmText::new());
    host.unit(|goal| goal.leader = true);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "install, leader-elected, config-changed, start");
    host.stop().await;
    host.start();
    host.unit(|goal| goal.trust = true);
    host.rest().await;
    assert_eq!(host.trace(), "config-changed");
}

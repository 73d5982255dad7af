//! Taking down: what is listed, what is asked, and what is left.

use serde_json::json;

use crate::house::{Hand, House, until};

fn answers(text: &str) -> Hand {
    Hand { answer: text.to_owned(), ..Hand::default() }
}

/// CLI contract rule_1_7: the list comes first, then the question; no answer is no.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_lists_and_asks() {
    let house = House::settled().await;
    let played = house.play("remove-application testdb").await;
    let played = played.fails(1, "ERROR application removal: aborted");
    for line in [
        "will remove application testdb\n",
        "- will remove unit testdb/0\n",
        "- will detach storage data/0\n",
    ] {
        assert!(played.out.contains(line), "{}", played.out);
    }
    assert!(played.err.contains("Continue [y/N]?"), "{}", played.err);
    house.play("remove-unit testdb/0").await.fails(1, "unit removal: aborted");
    house.play("remove-machine 2 --force").await.fails(1, "machine removal: aborted");
    let hand = answers("n");
    house
        .play_as(&hand, "remove-application testapp")
        .await
        .fails(1, "application removal: aborted");
    let dry = house.play("remove-application testapp --dry-run").await.done();
    assert_eq!(dry.out.lines().next(), Some("will remove application testapp"));
    let apps = house.json("status --format json").await["applications"].clone();
    assert_eq!(apps.as_object().unwrap().len(), 2);
    house.play_as(&answers("y"), "remove-application testapp").await.done();
    gone(&house, "testapp").await;
    // An empty mode asks nothing, and neither does the environment's word.
    house.play("model-config mode=").await.done();
    let played = house.play("remove-unit testdb/1").await.done();
    assert!(played.err.contains("removing unit testdb/1"), "{}", played.err);
    house.play("model-config --reset mode").await.done();
    let skip = [("JUJU_SKIP_CONFIRMATION".to_owned(), "true".to_owned())].into();
    let hand = Hand { env: skip, ..Hand::default() };
    house.play_as(&hand, "remove-application testdb --destroy-storage").await.done();
    gone(&house, "testdb").await;
}

/// CLI contract trap_15: what is removed vanishes and does not stay as terminated.
async fn gone(house: &House, application: &str) {
    let ask = || async {
        let status = house.json("status --format json").await;
        status["applications"].get(application).is_none().then_some(())
    };
    until(ask).await;
}

/// CLI contract rule_1_4: of several, those that can go do, and each that cannot says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_of_several_fail() {
    let house = House::settled().await;
    let played = house.play("remove-application --no-prompt nix testapp nobody").await;
    let played = played.fails(1, "removing application nix failed: ");
    assert!(played.err.contains("removing application nobody failed: "), "{}", played.err);
    assert_eq!(played.err.matches("ERROR ").count(), 2, "{}", played.err);
    gone(&house, "testapp").await;
    house.play("remove-application testdb --no-wait").await.fails(2, "--no-wait without --force");
    house.play("remove-machine 0 --no-prompt").await.fails(1, "testdb/0");
    house.play("remove-unit testdb/9 --no-prompt").await.fails(1, "not found");
}

/// CLI contract rule_1_4, cmd_detach-storage, cmd_attach-storage, cmd_remove-storage, cmd_resolved: each
/// by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_each_is_done_or_says_why_not() {
    let house = House::settled().await;
    let played = house.play("detach-storage data/7 data/0 data/8").await.fails(1, "data/7");
    assert!(played.err.contains("detaching data/0"), "{}", played.err);
    assert_eq!(played.err.matches("ERROR cannot detach storage").count(), 2, "{}", played.err);
    let detached = || async {
        let storage = house.json("show-storage data/0 --format json").await;
        storage["data/0"].get("attachments").is_none().then_some(())
    };
    until(detached).await;
    let played = house.play("remove-storage data/0 data/9").await.fails(1, "\"data/9\"");
    assert!(played.err.contains("removing data/0"), "{}", played.err);
    let played = house.play("resolved testdb/7 testdb/0 nix/1").await.fails(1, "testdb/7");
    assert!(played.err.contains("\"nix/1\""), "{}", played.err);
}

/// CLI contract cmd_remove-unit, cmd_scale-application, cmd_add-unit: the newest go and the leader
/// stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_come_and_go_by_number() {
    let house = House::settled().await;
    let units = || async {
        let status = house.json("status --format json").await;
        let units = status["applications"]["testdb"]["units"].as_object().unwrap().clone();
        units.into_iter().map(|(name, unit)| (name, unit["leader"] == true)).collect::<Vec<_>>()
    };
    let count = |n: usize| {
        let units = &units;
        until(move || async move { (units().await.len() == n).then_some(()) })
    };
    house.play("scale-application testdb 4").await.done();
    assert_eq!(units().await.len(), 4);
    house.settle().await;
    let leader = units().await.into_iter().find(|(_, leads)| *leads).unwrap().0;
    house.play("remove-unit testdb --num-units 1 --no-prompt").await.done();
    count(3).await;
    house.play("scale-application testdb 1").await.done();
    count(1).await;
    assert_eq!(units().await, [(leader, true)]);
    let said = house.play("scale-application testdb 1").await.done().err;
    assert!(said.contains("already"), "{said}");
    house.play("scale-application testdb -1").await.fails(2, "");
    house.play("scale-application testdb many").await.fails(2, "number");
    house.play("scale-application nix 1").await.fails(1, "not found");
    house.play("remove-unit testdb --num-units 0").await.fails(2, "positive");
    house.play("add-unit nix").await.fails(1, "application \"nix\" not found");
}

/// CLI contract trap_16: it returns when the model is gone; again, it is not found; the name is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_gone_when_its_removal_returns() {
    let house = House::settled().await;
    house.play("destroy-model words").await.fails(1, "--destroy-storage");
    let played = house.play_as(&answers("other"), "destroy-model words --destroy-storage").await;
    let played = played.fails(1, "model destruction: aborted");
    assert!(played.err.contains("enter the name of the model"), "{}", played.err);
    house.play_as(&answers("words"), "destroy-model words --destroy-storage").await.done();
    assert_eq!(house.json("models --format json").await["models"], json!([]));
    let line = "destroy-model words --no-prompt --destroy-storage --force";
    house.play(line).await.fails(1, "not found");
    house.play("add-model words").await.done();
    house.play("status").await.done();
}

/// CLI contract trap_17: many at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_come_and_go_side_by_side() {
    let house = House::start().await;
    let one = |n: usize| {
        let house = &house;
        async move {
            house.play(&format!("add-model --no-switch m{n}")).await.done();
            let line =
                format!("destroy-model m{n} --no-prompt --destroy-storage --force --timeout 30s");
            house.play(&line).await.done();
        }
    };
    futures_util::future::join_all((0..8).map(one)).await;
    let models = house.json("models --format json").await;
    assert_eq!(models["models"].as_array().unwrap().len(), 1);
    assert_eq!(models["current-model"], "words");
}

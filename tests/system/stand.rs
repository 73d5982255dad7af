//! What all tests stand on: binaries, parts, charms, a controller.

use std::path::PathBuf;
use std::sync::OnceLock;

use muster_console::outcome::Chain;
use muster_tests::corpus::Corpus;
use muster_tests::corpus::gateway::Target;
use muster_tests::demo::{Built, Hand, Place, build, job, stand};
use muster_tests::parts;
use muster_tests::setup::{self, Feature};
use muster_tests::voice::Voice;
use serde_json::Value;

use crate::traces::Traces;

/// The controller's name.
pub(crate) const CONTROLLER: &str = "verify";
/// The model that most tests use.
pub(crate) const MODEL: &str = "words";

/// What is there once the controller answers.
pub(crate) struct Stand {
    pub(crate) hand: Hand,
    pub(crate) built: Built,
    pub(crate) corpus: Corpus,
    pub(crate) voice: Voice,
    /// What this host had before.
    pub(crate) before: Traces,
}

/// The controller, brought up by whoever asks first. A failure stays one for all who ask later.
pub(crate) fn stand() -> &'static Stand {
    static STAND: OnceLock<Result<Stand, String>> = OnceLock::new();
    match STAND.get_or_init(bring_up) {
        Ok(stand) => stand,
        Err(error) => panic!("the controller did not come up: {error}"),
    }
}

fn bring_up() -> Result<Stand, String> {
    let voice = Voice::new();
    let text = |error: &dyn std::error::Error| Chain(error).to_string();
    setup::fit("/var/lib/muster".as_ref(), setup::ROOM).map_err(|error| text(&error))?;
    setup::ready(&[Feature::Parts, Feature::Machines], &voice).map_err(|error| text(&error))?;
    let place = Place { profile: "debug".to_owned(), ..Place::of_this_program() };
    let program = build::binaries(&place, &voice).map_err(|error| text(&error))?;
    let store = store(&place);
    let hand = Hand::new(program, CONTROLLER, MODEL).with("JUJU_DATA", store);
    // What an earlier run left, if it was interrupted: kill-controller knows it by its record.
    hand.bare(&["kill-controller", CONTROLLER, "--no-prompt"])
        .speak(|_| {})
        .map_err(|e| text(&e))?;
    let before = Traces::of_this_host();
    let parts = parts::provide(&place.parts, &voice).map_err(|error| text(&error))?;
    let corpus = Corpus::gather(&place.root).map_err(|error| text(&error))?;
    let built = build::charms(&place, &hand, &parts, &voice).map_err(|error| text(&error))?;
    stand::controller(&hand, &voice).map_err(|error| text(&error))?;
    Ok(Stand { hand, built, corpus, voice, before })
}

/// A client store that outlives this run, so that an interrupted one can be cleaned up.
fn store(place: &Place) -> PathBuf {
    place.target.join("system-client")
}

/// Fails the test with every cause.
pub(crate) trait OrFail<T> {
    fn or_fail(self) -> T;
}

impl<T, E: std::error::Error> OrFail<T> for Result<T, E> {
    #[track_caller]
    fn or_fail(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{}", Chain(&error)),
        }
    }
}

/// Deploys the bundle into a model, or goes on from where it is, and gives the bucket.
pub(crate) fn bundle(model: &str) -> (Hand, Target) {
    let stand = stand();
    let hand = stand.hand.on(model);
    stand::controller(&hand, &stand.voice).or_fail();
    stand::deploy(&hand, &stand.built, &stand.voice).or_fail();
    let bucket = stand::gateway(&hand, &stand.voice).or_fail();
    job::upload(&bucket, &stand.corpus, &stand.voice).or_fail();
    stand::settled(&hand, &stand.voice).or_fail();
    (hand, bucket)
}

/// Runs the job and holds its row against the count made without Spark.
pub(crate) fn count(hand: &Hand, bucket: &Target) -> Value {
    let stand = stand();
    let input = format!("s3a://{}/{}/*", bucket.bucket, stand.corpus.label());
    let task = job::submit(hand, &input, &stand.voice).or_fail();
    let row = job::last_row(hand).or_fail().expect("a row");
    assert_eq!(row.value, stand.corpus.words(), "the row, and the count made without Spark");
    task
}

/// The names of an application's units, in the order of their numbers.
pub(crate) fn units(hand: &Hand, application: &str) -> Vec<String> {
    let status = hand.status().or_fail();
    let own = format!("{application}/");
    let names = stand::units(&status).map(|(name, _)| name.clone());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(&own)).collect();
    names.sort_by_key(|name| name.len());
    names
}

/// Runs a command on a unit's machine and gives what it printed.
pub(crate) fn exec(hand: &Hand, unit: &str, command: &[&str]) -> String {
    let mut args = vec!["exec", "--unit", unit, "--"];
    args.extend(command);
    hand.run(&args).or_fail()
}

/// Where the Spark master is.
pub(crate) fn master(hand: &Hand) -> String {
    let status = hand.status().or_fail();
    let leads = |unit: &Value| unit.get("leader") == Some(&Value::Bool(true));
    let found =
        stand::units(&status).find(|(name, unit)| name.starts_with("spark/") && leads(unit));
    let (_, unit) = found.expect("Spark has a leader");
    unit["public-address"].as_str().expect("the leader has an address").to_owned()
}

/// What the Spark master says of itself on its JSON page.
pub(crate) fn master_page(hand: &Hand) -> Value {
    let url = format!("http://{}:8080/json/", master(hand));
    get(&url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Reads a JSON page.
pub(crate) fn get(url: &str) -> Result<Value, reqwest::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    drop(rustls::crypto::ring::default_provider().install_default());
    runtime.expect("a runtime").block_on(async {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        client.get(url).send().await?.error_for_status()?.json().await
    })
}

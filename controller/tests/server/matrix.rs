//! Who may what: every row of the table, asked as everybody (reliability document, section 9, S5).

use std::collections::BTreeSet;

use muster_api::body::{EnrolBody, LogBatch, PresenceBody, Submission, TeardownBody};
use muster_api::route::{Method, Name, TABLE};
use muster_controller::identity;
use muster_model::Revision;
use muster_model::command::{Command, EstateCommand, ModelCommand};
use muster_model::goal::SnapshotRequest;
use muster_model::name::ModelId;
use muster_model::record::{ControllerAccess, ModelAccess, Subject};
use muster_model::report::{NowReport, Report, ReportBody};
use muster_model::view::{Condition, Wait};
use muster_resources::Digest;
use serde_json::{Value, json};

use crate::common::{Fake, House, id, shipped};

/// Who asks, in the order of the columns below.
const WHO: [&str; 14] = [
    "anonymous",
    "wrong",
    "expired",
    "disabled",
    "nothing",
    "reader",
    "writer",
    "admin",
    "other",
    "superuser",
    "agent",
    "agent-beside",
    "agent-elsewhere",
    "join",
];

/// What each is answered, for one request of each row; a row of the table without one fails.
/// Columns as in `WHO`; `-` stands for 401, `x` for 403, `?` for 404, `!` for 400, `.` for 200.
const EXPECTED: &[(&str, Name, &str)] = &[
    ("anybody's version", Name::Version, ".............."),
    ("the controller", Name::Controller, "----......xxxx"),
    ("who am I", Name::Whoami, "----......xxxx"),
    ("teardown under a wrong name", Name::Teardown, "----xxxxx!xxxx"),
    ("findings", Name::Findings, "----xxxxx.xxxx"),
    ("a command that needs write", Name::Commands, "----?x..?.xxxx"),
    ("a command that needs admin", Name::Commands, "----?xx.?.xxxx"),
    ("a command that needs superuser", Name::Commands, "----xxxxx.xxxx"),
    ("a command that is the controller's own", Name::Commands, "----!!!!!!xxxx"),
    ("models", Name::Models, "----......xxxx"),
    ("view", Name::ModelView, "----?...?.xxxx"),
    ("wait", Name::ModelWait, "----?...?.xxxx"),
    ("logs", Name::ModelLogs, "----?...?.xxxx"),
    ("state of a blob", Name::BlobState, "----xx....xxxx"),
    ("sending a blob", Name::BlobAppend, "----xx....xxxx"),
    ("reading a charm's blob", Name::BlobRead, "----?????..??x"),
    ("reading a blob that nobody names", Name::BlobRead, "----?????????x"),
    ("enrolling", Name::Enrol, "----xxxxxxxxx."),
    ("goal", Name::Goal, "----xxxxxx...x"),
    ("a report of a unit", Name::Reports, "----xxxxxx.xxx"),
    ("a snapshot of a unit", Name::Snapshot, "----xxxxxx.xxx"),
    ("lines of a log", Name::AgentLogs, "----xxxxxx...x"),
    ("presence", Name::AgentPresence, "----xxxxxx...x"),
];

fn status(letter: char) -> u16 {
    match letter {
        '-' => 401,
        'x' => 403,
        '?' => 404,
        '!' => 400,
        '.' => 200,
        other => panic!("{other}"),
    }
}

struct World {
    house: House,
    model: ModelId,
    charm: Digest,
    tokens: Vec<Option<String>>,
}

async fn world() -> World {
    let house = House::start().await;
    let (model, elsewhere) = (house.model("one").await, house.model("two").await);
    let login = ControllerAccess::Login;
    let mut tokens = vec![None, Some("mst_0000".to_owned())];
    let admin = Subject::User("admin".parse().unwrap());
    tokens.push(Some(house.token(admin, Some(0)).await));
    tokens.push(Some(house.disabled.clone()));
    tokens.push(Some(house.user("nothing", login).await));
    for (name, access) in [
        ("reader", ModelAccess::Read),
        ("writer", ModelAccess::Write),
        ("owner", ModelAccess::Admin),
    ] {
        tokens.push(Some(house.user(name, login).await));
        house.grant(model, name, Some(access)).await;
    }
    tokens.push(Some(house.user("other", login).await));
    house.grant(elsewhere, "other", Some(ModelAccess::Admin)).await;
    tokens.push(Some(house.admin.clone()));
    let own: Fake = house.machine(model).await;
    let beside = house.machine(model).await;
    let far = house.machine(elsewhere).await;
    for machine in [&own, &beside, &far] {
        machine.tell(crate::agents::facts(machine.machine)).await;
    }
    house.hello(model, &[&own]).await;
    tokens.extend([own.token, beside.token, far.token].map(Some));
    let (_, charm, _) = house.packed(&shipped("hello"));
    World { house, model, charm, tokens }
}

impl World {
    /// The token of somebody; a join token is new each time, since it is good once.
    async fn token(&self, who: &str) -> Option<String> {
        if who == "join" {
            let machine = muster_model::name::MachineId(1);
            let subject = Subject::Join { model: self.model, machine };
            return Some(self.house.token(subject, Some(60)).await);
        }
        let place = WHO.iter().position(|name| *name == who).unwrap();
        self.tokens[place].clone()
    }

    /// Asks, of this model, and answers status and body.
    async fn ask(
        &self,
        what: &str,
        row: Name,
        model: ModelId,
        token: Option<&str>,
    ) -> (u16, Value) {
        let route = TABLE.iter().find(|route| route.name == row).unwrap();
        let fresh = identity::mint().unwrap();
        let bytes = fresh.expose().as_bytes().to_vec();
        let blob = match what {
            "sending a blob" => Digest::of(&bytes),
            "reading a blob that nobody names" => Digest::of(b"never was"),
            _ => self.charm,
        };
        let path = route
            .path
            .replace("{model}", &model.to_string())
            .replace("{digest}", &blob.to_string())
            .replace("{application}", "hello")
            .replace("{number}", "0");
        let query = match row {
            Name::Goal => "?after=0".to_owned(),
            Name::BlobAppend => format!("?offset=0&size={}", bytes.len()),
            _ => String::new(),
        };
        let url = self.house.url(&format!("{path}{query}"));
        let http = self.house.raw();
        let mut request = match route.method {
            Method::Get => http.get(url),
            Method::Post => http.post(url),
            Method::Put => http.put(url),
        };
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request = match row {
            Name::BlobAppend => request.body(bytes),
            _ => match self.body(what, row, model, &fresh) {
                Some(body) => request.json(&body),
                None => request,
            },
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    fn body(
        &self,
        what: &str,
        row: Name,
        model: ModelId,
        fresh: &identity::Secret,
    ) -> Option<Value> {
        let body = match row {
            Name::Teardown => json!(TeardownBody { name: "another".to_owned() }),
            Name::Commands => {
                let command = match what {
                    "a command that needs write" => Command::Model {
                        model,
                        command: ModelCommand::Configure {
                            application: "hello".parse().unwrap(),
                            set: [("greeting".parse().unwrap(), id().to_string())].into(),
                            reset: BTreeSet::new(),
                            trust: None,
                        },
                    },
                    "a command that needs admin" => Command::Model {
                        model,
                        command: ModelCommand::ConfigureModel {
                            set: [("logging-config".to_owned(), "INFO".to_owned())].into(),
                            reset: BTreeSet::new(),
                        },
                    },
                    "a command that needs superuser" => Command::Estate(EstateCommand::AddUser {
                        name: format!("u{}", &fresh.hash().to_string()[..12]).parse().unwrap(),
                        display_name: String::new(),
                        access: ControllerAccess::Login,
                        token: fresh.hash(),
                    }),
                    _ => Command::Estate(EstateCommand::Enrol {
                        join: fresh.hash(),
                        token: fresh.hash(),
                    }),
                };
                json!(Submission { id: id(), command, dry_run: false })
            }
            Name::ModelWait => {
                let condition = Condition::Changed { after: Revision::ZERO };
                json!(Wait { condition, timeout_ms: 0 })
            }
            Name::Enrol => json!(EnrolBody { token: fresh.hash() }),
            Name::Reports => json!(Report {
                model,
                body: ReportBody::Now {
                    unit: "hello/0".parse().unwrap(),
                    now: NowReport::WorkloadVersion(id().to_string()),
                },
            }),
            Name::Snapshot => json!(SnapshotRequest::default()),
            Name::AgentLogs => json!(LogBatch::default()),
            Name::AgentPresence => json!(PresenceBody::default()),
            _ => return None,
        };
        Some(body)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s05_s07_the_matrix_of_who_may_what() {
    let world = world().await;
    let mut wrong = Vec::new();
    for (what, row, letters) in EXPECTED {
        for (who, letter) in WHO.iter().zip(letters.chars()) {
            let token = world.token(who).await;
            let before = world.house.revision().await;
            let (found, body) = world.ask(what, *row, world.model, token.as_deref()).await;
            if found != status(letter) {
                wrong
                    .push(format!("{what} as {who}: {found}, expected {}: {body}", status(letter)));
            }
            if found >= 400 {
                let after = world.house.revision().await;
                if after != before {
                    wrong.push(format!("{what} as {who}: {found}, and yet it changed something"));
                }
                let text = body.to_string();
                for inside in ["/tmp", ".rs", "sqlite", "store.db", "two"] {
                    if text.contains(inside) {
                        wrong.push(format!("{what} as {who}: tells of {inside}: {text}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn s05_every_route_has_an_expectation() {
    let expected: BTreeSet<Name> = EXPECTED.iter().map(|(_, row, _)| *row).collect();
    for route in TABLE {
        assert!(expected.contains(&route.name), "{} {} has none", route.method, route.path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s05_a_hidden_model_is_one_that_never_was() {
    let world = world().await;
    let never = ModelId(uuid::Uuid::new_v4());
    for (what, row, letters) in EXPECTED {
        for (who, letter) in WHO.iter().zip(letters.chars()) {
            if letter != '?' || *row == Name::BlobRead {
                continue;
            }
            let token = world.token(who).await;
            let (_, hidden) = world.ask(what, *row, world.model, token.as_deref()).await;
            let (_, absent) = world.ask(what, *row, never, token.as_deref()).await;
            let absent = absent.to_string().replace(&never.to_string(), &world.model.to_string());
            assert_eq!(hidden.to_string(), absent, "{what} as {who}");
        }
    }
}

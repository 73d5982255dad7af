//! The job itself: text into the bucket, the count on Spark, the row from MariaDB, and whether they
//! agree.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hand::{failed, text};
use super::{DemoError, Hand, Place, stand};
use crate::corpus::Corpus;
use crate::corpus::gateway::{Gateway, Target};
use crate::voice::{Megabytes, Voice};

/// A row of `test.data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The count.
    pub value: u64,
    /// When MariaDB inserted it, as it prints it.
    pub created: String,
}

/// What was counted last, so that a second run does not count the same text again.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    label: String,
    row: Row,
}

/// Puts the text into the bucket, below a folder that is named by what the text is.
pub fn upload(target: &Target, corpus: &Corpus, voice: &Voice) -> Result<(), DemoError> {
    let what = format!("{} texts into bucket {}", corpus.texts.len(), target.bucket);
    let work = voice.work(what);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DemoError::Runtime)?;
    let gateway = Gateway::new(target).map_err(DemoError::Gateway)?;
    let sent = runtime
        .block_on(gateway.upload(&corpus.label(), corpus, |name| work.note(name)))
        .map_err(DemoError::Gateway)?;
    if sent == 0 {
        work.done("already there");
    } else {
        work.done(format_args!("{sent} sent, {} in all", Megabytes(corpus.bytes())));
    }
    Ok(())
}

/// Counts on Spark, unless these very texts were counted and their row still stands.
pub fn count(
    hand: &Hand,
    target: &Target,
    corpus: &Corpus,
    again: bool,
    place: &Place,
    voice: &Voice,
) -> Result<Row, DemoError> {
    let note = place.folder().join("counted.json");
    if !again && let Some(row) = counted(&note, &corpus.label(), hand)? {
        voice.say("✓ these texts were counted before, and the row still stands");
        return Ok(row);
    }
    let input = format!("s3a://{}/{}/*", target.bucket, corpus.label());
    submit(hand, &input, voice)?;
    let row = last_row(hand)?.ok_or_else(|| DemoError::Job {
        status: "completed".to_owned(),
        message: "but test.data holds no row".to_owned(),
    })?;
    let kept = Counted { label: corpus.label(), row: row.clone() };
    write_counted(&note, &kept)?;
    Ok(row)
}

/// Runs the word count on the cluster and gives the results of the action.
pub fn submit(hand: &Hand, input: &str, voice: &Voice) -> Result<Value, DemoError> {
    let work = voice.work("counting words on Spark");
    let input = format!("input={input}");
    let args = ["run", "spark/leader", "submit", "app=word-count", &input, "--wait", "15m"];
    let tasks = hand.json(&args)?;
    let command = hand.line(&args);
    let task = tasks.as_object().and_then(|tasks| tasks.values().next());
    let task = task
        .ok_or_else(|| DemoError::Shape { command: command.clone(), what: "no task".to_owned() })?;
    let status = text(task, "/status", &command)?;
    if status != "completed" {
        let stderr = task.pointer("/results/stderr");
        let message = task.get("message").or(stderr).and_then(Value::as_str).unwrap_or("no reason");
        return Err(DemoError::Job { status: status.to_owned(), message: message.to_owned() });
    }
    let result = |key: &str| {
        let value = task.get("results").and_then(|results| results.get(key));
        value.and_then(Value::as_str).unwrap_or("?").to_owned()
    };
    work.done(format_args!("{} words, {}", result("count"), result("application-id")));
    Ok(task.clone())
}

/// The newest row of the table, read by MariaDB's own client on its machine.
pub fn last_row(hand: &Hand) -> Result<Option<Row>, DemoError> {
    let query = "select value, created from test.data order by created desc, value limit 1";
    let rows = rows(hand, query)?;
    Ok(rows.first().cloned())
}

/// The rows that a query for value and time gives.
pub fn rows(hand: &Hand, query: &str) -> Result<Vec<Row>, DemoError> {
    let args = ["exec", "--unit", "mariadb/leader", "--"];
    let call = hand.call(&args).args(["mariadb", "--batch", "--skip-column-names", "--execute"]);
    let printed = call.arg(query).run().map_err(|source| failed(&args, source))?;
    printed
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let parsed = line.split_once('\t').and_then(|(value, created)| {
                Some(Row { value: value.parse().ok()?, created: created.to_owned() })
            });
            parsed.ok_or_else(|| DemoError::Shape {
                command: "mariadb".to_owned(),
                what: format!("the row {line:?}"),
            })
        })
        .collect()
}

/// Prints the status table.
pub fn show_status(hand: &Hand) -> Result<(), DemoError> {
    print(&hand.run(&["status"])?);
    Ok(())
}

/// Prints the row, the other count, and where to look further.
pub fn tell(hand: &Hand, row: &Row, corpus: &Corpus) -> Result<(), DemoError> {
    let status = hand.status()?;
    print(&format!("row of test.data: value {}, created {}", row.value, row.created));
    print(&format!("counted without Spark: {}", corpus.words()));
    for (name, unit) in stand::units(&status) {
        let leads = unit.get("leader").and_then(Value::as_bool).unwrap_or(false);
        let address = unit.get("public-address").and_then(Value::as_str);
        if let Some(address) = address.filter(|_| leads && name.starts_with("spark/")) {
            print(&format!("Spark's page: http://{address}:8080/"));
            print(&format!("jobs that ended: http://{address}:18080/"));
        }
    }
    print(&format!("logs: {}", hand.line(&["debug-log", "--replay"])));
    Ok(())
}

/// Whether the two counts are the same.
pub fn agree(row: &Row, corpus: &Corpus) -> Result<(), DemoError> {
    let words = corpus.words();
    if row.value == words {
        print(&format!("they agree: {words} words"));
        Ok(())
    } else {
        Err(DemoError::Disagree { row: row.value, words })
    }
}

/// The row of an earlier run, if it was of the same texts and MariaDB still has it.
fn counted(note: &PathBuf, label: &str, hand: &Hand) -> Result<Option<Row>, DemoError> {
    let Ok(bytes) = fs::read(note) else { return Ok(None) };
    // A note that does not parse is of no use, and the job is only run once more.
    let Ok(counted) = serde_json::from_slice::<Counted>(&bytes) else { return Ok(None) };
    if counted.label != label {
        return Ok(None);
    }
    let newest = last_row(hand)?;
    Ok(newest.filter(|row| *row == counted.row))
}

fn write_counted(note: &PathBuf, counted: &Counted) -> Result<(), DemoError> {
    let failed = |source| DemoError::Write { path: note.clone(), source };
    let bytes = serde_json::to_vec(counted).map_err(|error| failed(error.into()))?;
    fs::write(note, bytes).map_err(failed)
}

#[expect(clippy::print_stdout, reason = "what the demo found is its output")]
fn print(text: &str) {
    println!("{}", text.trim_end());
}

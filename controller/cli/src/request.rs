//! From words to a [`Request`]: the one place that knows the shape of a line.

use muster_console::flags::{Flag, Order, Reading, Usage, UsageError, read};

use crate::act::Act;
use crate::commands::common::GLOBAL;
use crate::commands::{self, Entry, find, nearest};
use crate::desk::Talk;
use crate::failure::Failure;

/// A line, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The command's own name.
    pub command: &'static str,
    /// What is to be done.
    pub act: Act,
    /// `-m`.
    pub model: Option<String>,
    /// `-c`.
    pub controller: Option<String>,
    /// How data is written: one of the command's formats.
    pub style: String,
    /// Whether the format was asked for, and is not just the usual one.
    pub formatted: bool,
    /// Where data goes, if not to stdout.
    pub output: Option<String>,
    /// How much is said.
    pub talk: Talk,
    /// What whoever typed it should know, before anything is done.
    pub warnings: Vec<&'static str>,
}

/// What a line came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Something to do.
    Request(Box<Request>),
    /// Something to print, such as help.
    Text(String),
}

const ALL: Usage = Usage {
    flags: &[GLOBAL, &[Flag::switch(&["version"], "Show the version.")]],
    order: Order::FlagsFirst,
    ..Usage::of("muster", "<command> ...", "Deploy and run applications.")
};

/// Reads a line, without the program's name.
///
/// # Errors
/// Code 2 for a line that its command does not understand, code 1 for a word that is no command.
pub fn parse(words: &[String]) -> Result<Said, Failure> {
    let before = match read(&ALL, words.iter().cloned())? {
        Reading::Help => return Ok(Said::Text(overview())),
        Reading::Line(line) => line,
    };
    let Some((word, rest)) = before.words.split_first() else {
        let wanted =
            if before.on("version") { "version" } else { return Ok(Said::Text(overview())) };
        return parse(&[wanted.to_owned()]);
    };
    let Some(entry) = find(word) else { return Err(unknown(word)) };
    let line = match read(&entry.usage, rest.iter().cloned())? {
        Reading::Help => return Ok(Said::Text(help(entry))),
        Reading::Line(line) => line,
    };
    let act = (entry.read)(&line)?;
    let style = style(entry, &line)?;
    let on = |key| before.on(key) || line.on(key);
    let talk = match (on("quiet"), on("verbose") || on("debug")) {
        (true, true) => {
            return Err(UsageError::rule(
                "\"verbose\" and \"quiet\" flags clash, please use one or the other, not both",
            )
            .into());
        }
        (true, false) => Talk::Quiet,
        (false, true) => Talk::Verbose,
        (false, false) => Talk::Usual,
    };
    let owned = |key| line.last(key).map(str::to_owned);
    Ok(Said::Request(Box::new(Request {
        command: entry.usage.name,
        act,
        model: owned("model"),
        controller: owned("controller").or_else(|| owned("target-controller")),
        style,
        formatted: line.has("format"),
        output: owned("output"),
        talk,
        warnings: warnings(&line),
    })))
}

fn warnings(line: &muster_console::flags::Line) -> Vec<&'static str> {
    let of_series = ["series", "force-series"].into_iter().any(|flag| line.has(flag));
    let text = "series are no longer named; write --base, as in --base ubuntu@24.04";
    of_series.then_some(text).into_iter().collect()
}

fn style(entry: &Entry, line: &muster_console::flags::Line) -> Result<String, UsageError> {
    let Some(usual) = entry.formats.first() else { return Ok(String::new()) };
    match line.last("format") {
        None => Ok((*usual).to_owned()),
        Some(asked) if entry.formats.contains(&asked) => Ok(asked.to_owned()),
        Some(asked) => Err(line.bad("format", format!("unknown format {asked:?}"))),
    }
}

fn unknown(word: &str) -> Failure {
    if let Some(instead) = commands::absent::find(word) {
        let failure = Failure::new(format!("\"{word}\" is not supported by muster"));
        return if instead.is_empty() { failure } else { failure.hint(instead) };
    }
    let guess = nearest(word).map(|near| format!("Did you mean \"{near}\"? ")).unwrap_or_default();
    Failure::new(format!("\"{word}\" is not a muster command. See \"muster --help\"."))
        .hint(format!("{guess}\"muster help commands\" lists all commands."))
}

/// The help of one command.
pub(crate) fn help(entry: &Entry) -> String {
    let mut text = entry.usage.help("muster");
    if !entry.formats.is_empty() {
        text.push_str(&format!("\nFormats: {}\n", entry.formats.join(", ")));
    }
    if !entry.aliases.is_empty() {
        text.push_str(&format!("\nAlso called: {}\n", entry.aliases.join(", ")));
    }
    text
}

/// The overview: what a newcomer types first, then everything.
pub(crate) fn overview() -> String {
    let mut text = String::from(
        "Muster deploys, relates and runs applications.\n\nUsage: muster <command> [flags]\n\nCommands:\n",
    );
    text.push_str(&list());
    text.push_str("\n\"muster help <command>\" tells of one, with examples.\n");
    text
}

/// Every command with its purpose.
pub(crate) fn list() -> String {
    let width = commands::all().map(|entry| entry.usage.name.len()).max().unwrap_or(0);
    commands::all()
        .map(|entry| format!("  {:width$}  {}\n", entry.usage.name, entry.usage.purpose))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn request(line: &str) -> Request {
        match parse(&words(line)) {
            Ok(Said::Request(request)) => *request,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refused(line: &str) -> (u8, String) {
        let failure = parse(&words(line)).expect_err("should be refused");
        (failure.code, failure.message)
    }

    /// Every line that jubilant types (CLI contract §2) and that issue 2 asks for is understood.
    #[test]
    fn the_lines_of_jubilant_are_understood() {
        for line in [
            "bootstrap localhost home --no-switch --bootstrap-base ubuntu@24.04 --config k=v --config l=w --constraints mem=1G --model-default a=b --to 0 --force",
            "add-model --no-switch words localhost --controller home --config a=b --credential x",
            "destroy-model home:words --no-prompt --destroy-storage --force --no-wait --timeout 5.0s",
            "show-model --format json",
            "show-model --format json home:admin/words",
            "model-config --model words --format json",
            "model-config --model words a=b --reset c,d",
            "model-constraints --model words --format json",
            "set-model-constraints --model words mem=1G cores=2",
            "deploy --model words ./x app --attach-storage a/0 --base ubuntu@24.04 --config a=b --config c= --constraints mem=1G --num-units 1 --resource n=./v --storage data=loop,1G --to 0 --trust",
            "refresh --model words app --path ./x --config a=b --resource n=v --storage d=1G --force --force-base --force-units --trust",
            "remove-application --model words --no-prompt a b --destroy-storage --force",
            "add-unit --model words app --num-units 2 --to 0,1",
            "remove-unit --model words --no-prompt a/0 a/1 --destroy-storage --force",
            "add-machine --model words -n 2 --base ubuntu@24.04 --constraints mem=1G",
            "config --model words --format json app",
            "config --model words app a=b --reset c,d",
            "trust --model words app --scope cluster",
            "integrate --model words a:x b",
            "remove-relation --model words a:x b --force",
            "run --model words --format json a/0 act --wait 60.5s --params f.yaml",
            "exec --model words --format json --unit a/0 --wait 5.0s -- ls -l --all",
            "exec --model words --format json --machine 0 -- ls",
            "ssh --model words --no-host-key-checks a/0 ls -l",
            "scp --model words -- -r a/0:/x y",
            "show-unit --model words a/0 --format json",
            "status --model words --format json",
            "debug-log --model words --limit 0",
            "debug-log --replay --no-tail --level ERROR",
            "version --format json --all",
        ] {
            let request = request(line);
            assert!(line.starts_with(request.command), "{line}");
            if line.contains("--model words") {
                assert_eq!(request.model.as_deref(), Some("words"));
            }
        }
    }

    #[test]
    fn an_act_is_in_the_models_own_types() {
        use muster_model::command::ModelCommand;
        use muster_model::record::Placement;
        let Act::Change(commands) = request("add-unit wiki -n3 --to 4,new").act else { panic!() };
        let [ModelCommand::AddUnits { application, placements, .. }] = commands.as_slice() else {
            panic!("{commands:?}")
        };
        assert_eq!(application.as_str(), "wiki");
        assert_eq!(
            placements,
            &[Placement::Machine("4".parse().unwrap()), Placement::NewMachine, Placement::Anywhere]
        );
    }

    #[test]
    fn traps_1_usage_is_two_and_an_unknown_command_is_one() {
        assert_eq!(refused("deploy --x"), (2, "option provided but not defined: --x".to_owned()));
        assert_eq!(refused("add-unit").0, 2);
        assert_eq!(refused("frob").0, 1);
        let failure = parse(&words("stauts")).unwrap_err();
        assert!(failure.message.contains("is not a muster command. See \"muster --help\""));
        assert!(failure.hint.unwrap().contains("Did you mean \"status\"?"));
        assert_eq!(
            refused("status --format xml"),
            (2, "invalid value \"xml\" for option --format: unknown format \"xml\"".to_owned())
        );
        assert_eq!(refused("add-unit a b").1, "unrecognized args: [\"b\"]");
    }

    #[test]
    fn what_is_wrong_is_named_before_anything_is_done() {
        for (line, said) in [
            ("deploy ./x --revision 3", "cannot specify revision for local charm or bundle"),
            ("deploy ./x --channel edge", "cannot specify a channel for local charm or bundle"),
            ("deploy ./x -n 0", "--num-units must be a positive integer"),
            ("deploy ./x --attach-storage d/0 -n 2", "--attach-storage cannot be used with -n"),
            (
                "deploy ./x --constraints mem=lots",
                "bad \"mem\" constraint: must be a non-negative float with optional M/G/T/P suffix",
            ),
            ("deploy ./x --constraints speed=9", "unknown constraint \"speed\""),
            (
                "deploy ./x --to lxd:0",
                "invalid value \"lxd:0\" for option --to: containers on machines are not offered; name a machine, or \"new\"",
            ),
            ("deploy ./x --resource a=1 --resource a=2", "resource \"a\" specified more than once"),
            ("refresh x --path ./a --switch b", "--switch and --path are mutually exclusive"),
            ("remove-application x --no-wait", "--no-wait without --force not valid"),
            ("config x a=1 --reset a", "key \"a\" cannot be both set and reset"),
            ("config x a b=1", "cannot read a value and set or reset others in one step"),
            (
                "run a/0 act --wait 60",
                "invalid value \"60\" for option --wait: missing unit in duration \"60\"; write for example 60s or 60m",
            ),
            ("run a/0 act --wait 1s --background", "cannot specify both --wait and --background"),
            (
                "exec -- ls",
                "You must specify a target, either through --all, --machine, --application or --unit",
            ),
            ("exec --all --unit a/0 -- ls", "You cannot specify --all and individual targets"),
            ("debug-log --tail --no-tail", "setting --tail and --no-tail not valid"),
            ("storage --filesystem --volume", "--filesystem and --volume can not be used together"),
            (
                "wait-for app x",
                "cannot wait for \"app\"; there are model, application, machine and unit",
            ),
            (
                "actions x --schema --format tabular",
                "full schema not compatible with tabular output",
            ),
        ] {
            assert_eq!(refused(line), (2, said.to_owned()), "{line}");
        }
        assert!(refused("add-storage a/0 data=1G,2G").1.contains("1G,2G"));
        assert!(refused("resolved a/01 b c/0").1.contains("a/01"));
        assert_eq!(refused("resolved a/01 b c/0").1.lines().count(), 2);
    }

    #[test]
    fn help_is_text_and_lists_every_command() {
        let Ok(Said::Text(text)) = parse(&words("deploy --help")) else { panic!() };
        assert!(
            text.starts_with("Usage: muster deploy [flags] <charm or bundle> [<application>]\n")
        );
        assert!(
            text.contains("--overlay FILE ...")
                && text.contains("    muster deploy ./wiki.charm\n")
        );
        let Ok(Said::Text(text)) = parse(&[]) else { panic!() };
        assert!(text.contains("  remove-application"));
        assert_eq!(request("--quiet status").talk, Talk::Quiet);
        assert_eq!(request("-v status").talk, Talk::Verbose);
        assert_eq!(request("status -q").talk, Talk::Quiet);
        assert_eq!(request("--version").command, "version");
    }
}

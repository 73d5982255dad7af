//! What a command is called, takes and does: the tables that lines are read by and help is made of.

use std::fmt::Write as _;

use super::{Flag, HELP, Kind, Order};

/// The tables of one command or tool.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// The word that calls it.
    pub name: &'static str,
    /// Its positionals, as the help shows them: `<application> [<unit> ...]`.
    pub args: &'static str,
    /// One line: what it does.
    pub purpose: &'static str,
    /// Its flags, in groups so that common ones stand in one constant.
    pub flags: &'static [&'static [Flag]],
    /// Paragraphs on what it does; may be empty.
    pub details: &'static str,
    /// Lines that can be typed as they stand, without the program's name.
    pub examples: &'static [&'static str],
    /// Where flags may stand.
    pub order: Order,
}

impl Usage {
    /// A command with nothing but its name and purpose, to be completed with `..Usage::of(…)`.
    #[must_use]
    pub const fn of(name: &'static str, args: &'static str, purpose: &'static str) -> Usage {
        Usage { name, args, purpose, flags: &[], details: "", examples: &[], order: Order::Mixed }
    }

    /// Every flag but help, in the tables' order.
    pub fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().flat_map(|group| group.iter())
    }

    pub(super) fn find(&self, name: &str) -> Option<&'static Flag> {
        self.all_flags()
            .find(|flag| flag.names.contains(&name))
            .or_else(|| HELP.names.contains(&name).then_some(&HELP))
    }

    /// The help text. `program` stands before the name, and before each example; a hook tool has
    /// none.
    #[must_use]
    pub fn help(&self, program: &str) -> String {
        let lead = if program.is_empty() { String::new() } else { format!("{program} ") };
        let mut text = format!("Usage: {lead}{} [flags]", self.name);
        if !self.args.is_empty() {
            text.push(' ');
            text.push_str(self.args);
        }
        text.push_str("\n\n");
        text.push_str(self.purpose);
        text.push_str("\n\nFlags:\n");
        let mut flags: Vec<&Flag> = self.all_flags().collect();
        flags.push(&HELP);
        flags.sort_by_key(|flag| longest(flag));
        for flag in flags {
            // Writing into a String cannot fail.
            let _infallible = writeln!(text, "  {}\n        {}", spelling(flag), flag.help);
        }
        if !self.details.is_empty() {
            text.push_str("\nDetails:\n");
            text.push_str(self.details.trim_end());
            text.push('\n');
        }
        if !self.examples.is_empty() {
            text.push_str("\nExamples:\n");
            for example in self.examples {
                text.push_str("    ");
                text.push_str(&lead);
                text.push_str(example);
                text.push('\n');
            }
        }
        text
    }
}

fn longest(flag: &Flag) -> &'static str {
    flag.names.iter().copied().find(|name| name.len() > 1).unwrap_or_else(|| flag.key())
}

fn spelling(flag: &Flag) -> String {
    let mut names: Vec<&str> = flag.names.to_vec();
    names.sort_by_key(|name| name.len());
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(if name.len() == 1 { "-" } else { "--" });
        text.push_str(name);
    }
    if flag.kind != Kind::Switch {
        text.push(' ');
        text.push_str(flag.value);
    }
    if flag.kind == Kind::List {
        text.push_str(" ...");
    }
    text
}

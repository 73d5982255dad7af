//! Relating applications, and letting the world in.

use std::collections::BTreeSet;

use muster_charms::Cidr;
use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::command::{EndpointRef, ModelCommand, RelationRef};
use muster_model::record::Exposure;

use super::Entry;
use super::common::{GLOBAL, MODEL, listed, need, parse, rule};
use crate::act::Act;

/// `integrate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Integrate {
    /// One end.
    pub one: EndpointRef,
    /// The other.
    pub other: EndpointRef,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::value(&["via"], "CIDR,…", "Networks that the traffic comes from.")],
                MODEL,
                GLOBAL,
            ],
            details: "The endpoint may be left out when only one pair of endpoints fits.",
            examples: &[
                "integrate wiki postgresql",
                "integrate spark:s3-credentials ceph-radosgw:s3",
            ],
            ..Usage::of(
                "integrate",
                "<application>[:<endpoint>] <application>[:<endpoint>]",
                "Relate two applications.",
            )
        },
        aliases: &["relate", "add-relation"],
        formats: &[],
        read: integrate,
    },
    Entry {
        usage: Usage {
            flags: &[&[Flag::switch(&["force"], "Do not wait for hooks.")], MODEL, GLOBAL],
            examples: &["remove-relation wiki postgresql", "remove-relation 4"],
            ..Usage::of(
                "remove-relation",
                "<application>[:<endpoint>] <application>[:<endpoint>] | <id>",
                "End a relation.",
            )
        },
        aliases: &[],
        formats: &[],
        read: remove_relation,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["endpoints"], "ENDPOINT,…", "Only these endpoints."),
                    Flag::value(&["to-cidrs"], "CIDR,…", "Only to these networks."),
                    Flag::value(&["to-spaces"], "SPACE,…", "Accepted for the one space there is."),
                ],
                MODEL,
                GLOBAL,
            ],
            examples: &[
                "expose wiki",
                "expose wiki --endpoints web --to-cidrs 10.0.0.0/8,192.0.2.7/32",
            ],
            ..Usage::of(
                "expose",
                "<application>",
                "Let an application's open ports be reached from outside.",
            )
        },
        aliases: &[],
        formats: &[],
        read: expose,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::value(&["endpoints"], "ENDPOINT,…", "Only these endpoints.")],
                MODEL,
                GLOBAL,
            ],
            examples: &["unexpose wiki", "unexpose wiki --endpoints admin"],
            ..Usage::of(
                "unexpose",
                "<application>",
                "Let an application's ports be reached from its model only.",
            )
        },
        aliases: &[],
        formats: &[],
        read: unexpose,
    },
];

/// `application[:endpoint]`.
fn end(text: &str) -> Result<EndpointRef, UsageError> {
    if text.contains(['.', '/']) {
        return Err(UsageError::rule(format!(
            "offers of other models are not offered yet: {text:?}; name an application of this model"
        )));
    }
    let (application, endpoint) = match text.split_once(':') {
        Some((application, endpoint)) => (application, Some(parse(endpoint)?)),
        None => (text, None),
    };
    Ok(EndpointRef { application: parse(application)?, endpoint })
}

fn ends(line: &Line) -> Result<(EndpointRef, EndpointRef), UsageError> {
    line.at_most(2)?;
    match (line.word(0), line.word(1)) {
        (Some(one), Some(other)) => Ok((end(one)?, end(other)?)),
        _ => Err(UsageError::rule("a relation must involve two applications")),
    }
}

fn integrate(line: &Line) -> Result<Act, UsageError> {
    let (one, other) = ends(line)?;
    if line.has("via") {
        return Err(rule("--via is for relations between models, which are not offered yet"));
    }
    Ok(Act::Integrate(Integrate { one, other }))
}

fn remove_relation(line: &Line) -> Result<Act, UsageError> {
    let force = line.on("force");
    let number = line.word(0).filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let relation = match (number, line.word(1)) {
        (Some(number), None) => RelationRef::Id(parse(number)?),
        _ => {
            let (one, other) = ends(line)?;
            RelationRef::Ends(one, other)
        }
    };
    Ok(Act::Change(vec![ModelCommand::RemoveRelation { relation, force }]))
}

fn expose(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let application = need(line, 0, "application name")?;
    let endpoints: BTreeSet<_> = listed(line, "endpoints")?.into_iter().collect();
    let cidrs: BTreeSet<Cidr> = listed(line, "to-cidrs")?.into_iter().collect();
    if line.has("to-cidrs") && cidrs.is_empty() {
        return Err(line.bad("to-cidrs", "no network is named"));
    }
    if line.parts("to-spaces").iter().any(|space| *space != "alpha") {
        return Err(line.bad("to-spaces", "there is one space, \"alpha\""));
    }
    let exposure = Some(Exposure { endpoints, cidrs });
    Ok(Act::Change(vec![ModelCommand::Expose { application, exposure }]))
}

fn unexpose(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let application = need(line, 0, "application name")?;
    let endpoints: BTreeSet<_> = listed(line, "endpoints")?.into_iter().collect();
    let command = if endpoints.is_empty() {
        ModelCommand::Expose { application, exposure: None }
    } else {
        ModelCommand::Unexpose { application, endpoints }
    };
    Ok(Act::Change(vec![command]))
}

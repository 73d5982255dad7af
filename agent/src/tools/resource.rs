//! `resource-get` (hook contract, section 5.7), and `resource-unpack`, which is ours.

use std::path::PathBuf;

use muster_console::flags::{Flag, Line, Usage};
use muster_model::goal::ResourceGoal;
use muster_model::name::ResourceName;

use super::{Caller, Given, Result, Stop, fail1, fail2};
use crate::hook::context::Context;
use crate::resources;

pub(super) const GET: Usage = Usage {
    details: "Prints the path without a newline behind it.",
    ..Usage::of("resource-get", "<name>", "Fetch a resource and print where it is.")
};

pub(super) const UNPACK: Usage = Usage {
    flags: &[&[
        Flag::value(&["strip-components"], "N", "Take so many leading parts off each name."),
        Flag::switch(
            &["check"],
            "Unpack nothing: say whether the folder still holds what it held.",
        ),
    ]],
    details: "The folder must not exist or be empty. The archive is checked against its digest and\n\
              refused whole if anything in it would leave the folder. A machine unpacks each archive\n\
              once; further units get a copy. With --check, the digest of the folder's tree (paths,\n\
              modes, contents) is held against the one that was recorded, and printed.",
    ..Usage::of("resource-unpack", "<name> <folder>", "Unpack a resource into a folder.")
};

fn wanted(context: &Context, name: &str) -> Result<(ResourceName, ResourceGoal)> {
    let missing = || fail1(format!("could not download resource: resource {name:?} not found"));
    let name: ResourceName = name.parse().map_err(|_| missing())?;
    let goal = context.wanted().and_then(|goal| goal.resources.get(&name)).ok_or_else(missing)?;
    Ok((name, goal.clone()))
}

pub(super) async fn get(context: &Context, line: &Line) -> Result<Given> {
    let Some(name) = line.word(0) else { return Err(fail2("missing required resource name")) };
    line.at_most(1)?;
    let (name, goal) = wanted(context, name)?;
    let path = resources::file(&context.world, &context.unit, &name, &goal)
        .await
        .map_err(|error| download(&error))?;
    Ok(Given::Raw(path.to_string_lossy().into_owned().into_bytes()))
}

fn download(error: &resources::ResourceError) -> Stop {
    let chain = muster_console::outcome::Chain(error);
    fail1(format!("could not download resource: {chain}"))
}

pub(super) async fn unpack(context: &Context, line: &Line, caller: &Caller<'_>) -> Result<Given> {
    let Some(name) = line.word(0) else { return Err(fail2("missing required resource name")) };
    let Some(folder) = line.word(1) else { return Err(fail2("missing required folder")) };
    line.at_most(2)?;
    let strip: usize = line.parsed("strip-components")?.unwrap_or(0);
    let (_, goal) = wanted(context, name)?;
    let target: PathBuf = caller.cwd.join(folder);
    if line.on("check") {
        let tree = resources::check(&context.world, &goal, &target, strip)
            .await
            .map_err(|error| fail1(muster_console::outcome::Chain(&error).to_string()))?;
        return Ok(Given::Raw(format!("{tree}\n").into_bytes()));
    }
    let tree = resources::unpack(&context.world, &goal, &target, strip)
        .await
        .map_err(|error| download(&error))?;
    // What was installed can be checked again by this digest.
    context.log.write(
        crate::unit_log::Level::Info,
        "resource-unpack",
        &format!("{name} revision {} is in {}, tree {tree}", goal.revision, target.display()),
    );
    Ok(Given::Nothing)
}

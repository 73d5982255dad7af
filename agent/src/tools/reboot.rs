//! `juju-reboot` (hook contract, section 4.13).

use muster_console::flags::{Flag, Line, Usage};

use super::{Given, Result, fail1};
use crate::hook::context::{About, Context, Reboot};

pub(super) const REBOOT: Usage = Usage {
    flags: &[&[Flag::switch(&["now"], "End the hook at once; it runs again after the boot.")]],
    ..Usage::of("juju-reboot", "", "Restart the machine once the hook has ended well.")
};

pub(super) fn reboot(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(0)?;
    if matches!(context.about, About::Action { .. }) {
        return Err(fail1("juju-reboot is not supported when running an action."));
    }
    if line.on("now") {
        context.reboot = Some(Reboot::Now);
        context.kill.cancel();
    } else if context.reboot.is_none() {
        context.reboot = Some(Reboot::After);
    }
    Ok(Given::Nothing)
}

"""One hook or action, from the environment to the exit code."""

import importlib
import os
import sys

from . import charm, process, state, status, tools

INSTALLED = "muster.installed"
STOPPED = "muster.stopped"


def run(folder):
    """Runs the hook or action that the environment names; the exit code."""
    state.load(folder)
    _import_layers(folder)
    try:
        if os.environ.get("JUJU_ACTION_NAME"):
            return _action(os.environ["JUJU_ACTION_NAME"])
        return _hook(folder, tools.hook_name())
    except (tools.ToolError, process.CommandError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        state.save()


def _import_layers(folder):
    for entry in sorted(os.listdir(os.path.join(folder, "lib", "muster_layers"))):
        name, ending = os.path.splitext(entry)
        if ending == ".py" and name != "__init__":
            importlib.import_module(f"muster_layers.{name}")


def _hook(folder, name):
    if name in ("install", "upgrade-charm"):
        _drop_old_compiled(folder)
    if name == "install":
        state.set_flag(INSTALLED)
    try:
        for handler in charm.handlers(name):
            handler()
        if name == "start":
            state.clear_flag(STOPPED)
        if name == "stop":
            state.set_flag(STOPPED)
        if state.is_set(INSTALLED) and not state.is_set(STOPPED):
            for reconciler in charm.reconcilers():
                reconciler()
    except charm.NotYet as not_yet:
        (status.blocked if not_yet.state == "blocked" else status.waiting)(str(not_yet))
    if name not in ("stop", "remove"):
        status.settle()
    return 0


def _action(name):
    handler = charm.action_handler(name)
    if handler is None:
        tools.action_fail(f"this charm has no action {name!r}")
        return 0
    try:
        handler()
    except (charm.ActionFailed, charm.NotYet) as failed:
        tools.action_fail(str(failed))
    return 0


def _drop_old_compiled(folder):
    import shutil  # it costs milliseconds, and few hooks need it

    kept = sys.pycache_prefix and os.path.basename(sys.pycache_prefix)
    compiled = os.path.join(folder, ".compiled")
    if kept and os.path.isdir(compiled):
        for entry in os.listdir(compiled):
            if entry != kept:
                shutil.rmtree(os.path.join(compiled, entry), ignore_errors=True)

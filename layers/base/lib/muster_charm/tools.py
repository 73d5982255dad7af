"""The hook tools. One function a tool, JSON between, nothing secret among the arguments.

Answers that cannot change within one hook (config, leadership, relation ids) are asked for once.
"""

import json
import os
import subprocess

_kept = {}
_ARGUMENT = 30_000


class ToolError(Exception):
    """A hook tool said no. The text names the tool and carries its error line."""

    def __init__(self, tool, code, message):
        super().__init__(f"{tool} failed with exit code {code}: {message}")
        self.tool = tool
        self.code = code
        self.message = message


def call(tool, *arguments, data=None):
    """Runs a hook tool and gives its output as text. `data` goes to its standard input."""
    done = subprocess.run(
        [tool, *arguments],
        input=data,
        stdin=None if data is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        # Only the tool's own words: the arguments of the call may be long, and are no help.
        raise ToolError(tool, done.returncode, done.stderr.strip())
    return done.stdout


def ask(tool, *arguments):
    """Runs a hook tool that answers in JSON; None when it answers nothing."""
    text = call(tool, "--format=json", *arguments)
    return json.loads(text) if text.strip() else None


def _once(key, make):
    if key not in _kept:
        _kept[key] = make()
    return _kept[key]


def forget():
    """Drops what was kept from earlier calls (tests need it; a hook never does)."""
    _kept.clear()


def available(tool):
    """Whether the agent offers this tool. Tools beyond the common contract must be asked for."""
    return which(tool) is not None


def which(program):
    """Where a program is that would be run by this name; None when there is none."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


# Configuration and identity


def config():
    """All options that have a value, by name, in their own types."""
    return _once("config", lambda: ask("config-get") or {})


def unit_name():
    """This unit's name, such as `spark/0`."""
    return os.environ["JUJU_UNIT_NAME"]


def application_name():
    """This unit's application, such as `spark`."""
    return unit_name().rpartition("/")[0]


def hook_name():
    """The hook that runs; the empty string in an action."""
    return os.environ.get("JUJU_HOOK_NAME", "")


def is_leader():
    """Whether this unit leads its application, for the length of this hook."""
    return _once("leader", lambda: bool(ask("is-leader")))


def leader_get():
    """The leader's settings."""
    return _once("leader-get", lambda: ask("leader-get") or {})


def leader_set(**values):
    """Writes leader settings if they differ; None deletes one. Takes effect at once."""
    now = leader_get()
    changed = {key: value for key, value in values.items() if now.get(key) != value}
    if not changed:
        return False
    call("leader-set", *[f"{key}={'' if value is None else value}" for key, value in changed.items()])
    _kept.pop("leader-get", None)
    return True


# Status and log


def status_set(state, message=""):
    """Sets the workload status at once. Charms use `muster_charm.status` instead."""
    call("status-set", state, message)


def status_set_application(state, message=""):
    """Sets the application's status at once; only the leader may."""
    call("status-set", "--application", state, message)


def application_version_set(version):
    """Tells the version of the workload."""
    call("application-version-set", "--", version)


def log(message, level="INFO"):
    """Writes to the unit's log. Never give it a secret."""
    call("juju-log", "--log-level", level, "--", str(message))


# Relations


def relation_ids(endpoint):
    """The ids of an endpoint's relations, without the one that this hook reports as broken."""

    def make():
        ids = ask("relation-ids", endpoint) or []
        if hook_name() == f"{endpoint}-relation-broken":
            ids = [i for i in ids if i != os.environ.get("JUJU_RELATION_ID")]
        return ids

    return _once(("relation-ids", endpoint), make)


def relation_list(relation):
    """The remote units of a relation."""
    return ask("relation-list", "-r", relation) or []


def relation_application(relation):
    """The remote application of a relation, also when it has no units; None when unknown."""
    return ask("relation-list", "-r", relation, "--app")


def relation_get(relation, target, app=False):
    """All that `target` (a unit, or with `app` an application) wrote into a relation, as text by key."""
    flags = ["--app"] if app else []
    return ask("relation-get", "-r", relation, *flags, "-", target) or {}


def relation_set(relation, values, app=False):
    """Writes into this unit's (with `app`: application's) bag. None deletes a key.

    The values travel over standard input: a process list shows arguments to everybody.
    """
    if not values:
        return
    data = json.dumps({key: "" if value is None else str(value) for key, value in values.items()})
    flags = ["--app"] if app else []
    call("relation-set", "-r", relation, *flags, "--file", "-", data=data)


def network_get(binding):
    """The network structure of an endpoint or extra binding."""
    return _once(("network", binding), lambda: ask("network-get", binding) or {})


def ingress_address(binding):
    """The address at which others reach this unit on a binding."""
    addresses = network_get(binding).get("ingress-addresses") or []
    if not addresses:
        raise ToolError("network-get", 0, f"no ingress address for binding {binding!r}")
    return addresses[0]


# Ports, storage, resources


def opened_ports():
    """The ports that this unit has open, such as `8080/tcp`."""
    return ask("opened-ports") or []


def ports(wanted):
    """Opens the wanted ports (such as `8080/tcp`) and closes all others of this unit."""
    now = set(opened_ports())
    for port in sorted(set(wanted) - now):
        call("open-port", port)
    for port in sorted(now - set(wanted)):
        call("close-port", port)


def storage_ids(name):
    """The ids of this unit's storage of that name, in number order, without one that is leaving."""
    ids = ask("storage-list", name) or []
    if hook_name() == f"{name}-storage-detaching":
        ids = [i for i in ids if i != os.environ.get("JUJU_STORAGE_ID")]
    return sorted(ids, key=lambda i: int(i.rpartition("/")[2]))


def storage_get(storage):
    """A storage's `kind` and `location`; None while it is not there yet."""
    try:
        return ask("storage-get", "-s", storage)
    except ToolError as error:
        if error.code == 2:
            return None
        raise


def storage_locations(name):
    """The paths (mount points or devices) of this unit's storage of that name that is there."""
    found = [storage_get(i) for i in storage_ids(name)]
    return [storage["location"] for storage in found if storage and storage.get("location")]


def resource_get(name):
    """The path of a resource's file; None when it is not attached.

    Any other failure (a full disk, a controller that is away) is raised: who took it for "not attached"
    would remove what is installed, and nobody would try again.
    """
    try:
        path = call("resource-get", name).strip()
    except ToolError as error:
        if error.message.endswith("not found"):
            return None
        raise
    return path or None


# Secrets


def secret_get(uri, refresh=False):
    """A secret's content, by key."""
    return ask("secret-get", uri, *(["--refresh"] if refresh else []))


# Actions


def action_get():
    """All parameters of the action that runs."""
    return ask("action-get") or {}


def action_set(**values):
    """Adds to the action's results; underscores in names become hyphens."""
    pairs = [f"{key.replace('_', '-')}={value}" for key, value in values.items()]
    if pairs:
        call("action-set", *pairs)


def action_log(message):
    """Tells the operator how the action goes on, at once."""
    text = str(message).replace("\0", "\N{REPLACEMENT CHARACTER}")
    # An argument may hold 128 KiB, and a character takes up to four bytes.
    for start in range(0, len(text), _ARGUMENT):
        call("action-log", "--", text[start : start + _ARGUMENT])


def action_fail(message):
    """Marks the action as failed."""
    call("action-fail", "--", str(message))

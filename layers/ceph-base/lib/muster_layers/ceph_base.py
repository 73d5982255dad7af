"""What the Ceph charms share.

Each unit keeps its configuration and keys in a folder of its own, `/etc/ceph/APPLICATION-N`, which
its daemons find through CEPH_CONF: several Ceph charms on one machine never write the same file.

Without a manager daemon some commands never answer (those that it serves), and without a quorum
none does. So every command here has a time limit, within and around the program.
"""

import base64
import json
import os
import re
import socket
import struct
import time

from muster_charm import charm, files, process, status, tools
from muster_layers import service

OWNER = "ceph"
CONNECT_SECONDS = 10
COMMAND_SECONDS = 30
SOCKETS = "/var/run/ceph"
_LONGEST_ANSWER = 16 << 20
# A daemon that cannot reach the monitors yet must go on trying, however long they are away: the
# packages' units give up after a few starts. Told to stop while they are away, it must not hold the
# machine up: a gateway that stops takes six seconds, but without monitors it would never end.
PATIENT = {"Unit": ["StartLimitIntervalSec=0"], "Service": ["RestartSec=5", "TimeoutStopSec=20"]}


def unit_id():
    """The unit's name as part of a path or of a daemon's name, such as `ceph-mon-0`."""
    return tools.unit_name().replace("/", "-")


def folder():
    """The folder of this unit's configuration and keys."""
    return f"/etc/ceph/{unit_id()}"


def conf_path():
    """This unit's configuration file."""
    return f"{folder()}/ceph.conf"


def make_folder():
    """Makes the unit's folder: readable for the daemons, and for nobody else."""
    files.folder("/etc/ceph")
    files.folder(folder(), 0o750, "root", OWNER)


def write_secret(name, text):
    """Writes a file with a key into the unit's folder; gives its path."""
    path = os.path.join(folder(), name)
    files.write(path, text, 0o640, "root", OWNER)
    return path


def remove_folder():
    """Removes the unit's folder with everything in it."""
    process.run("rm", "-rf", "--", folder())


def mon_host(addresses):
    """The setting `mon_host` for monitors at these addresses, on their usual ports."""
    groups = []
    for address in addresses:
        host = f"[{address}]" if ":" in address else address
        groups.append(f"[v2:{host}:3300,v1:{host}:6789]")
    return " ".join(groups)


def global_section(fsid, addresses):
    """The settings that every daemon and every client of a cluster needs."""
    return {
        "fsid": fsid,
        "mon_host": mon_host(addresses),
        "auth_cluster_required": "cephx",
        "auth_service_required": "cephx",
        "auth_client_required": "cephx",
    }


def conf(sections):
    """The text of a configuration file, from section to setting to value."""
    lines = ["# Written by the charm; changes are overwritten."]
    for section, settings in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in settings.items()]
        lines.append("")
    return "\n".join(lines)


def keyring(entity, key, caps=None):
    """The text of a keyring with one key."""
    lines = [f"[{entity}]", f"\tkey = {key}"]
    lines += [f'\tcaps {service} = "{allowed}"' for service, allowed in (caps or {}).items()]
    return "\n".join(lines) + "\n"


def new_key():
    """A new secret key, as Ceph writes them: type, time, length, sixteen random bytes."""
    header = struct.pack("<hiih", 1, int(time.time()), 0, 16)
    return base64.b64encode(header + os.urandom(16)).decode("ascii")


def merge_flags(sections, text):
    """Lays the option `config-flags` over the sections; raises Blocked when it cannot be read.

    It is a JSON object, from section to setting to value; settings without a section are global.
    """
    if not (text or "").strip():
        return sections
    try:
        flags = json.loads(text)
    except ValueError as error:
        raise charm.Blocked(f"config-flags is not JSON: {error}") from error
    if not isinstance(flags, dict):
        raise charm.Blocked("config-flags must be a JSON object")
    merged = {section: dict(settings) for section, settings in sections.items()}
    for key, value in flags.items():
        section, settings = (key, value) if isinstance(value, dict) else ("global", {key: value})
        for name, one in settings.items():
            if "\n" in f"{section}{name}{one}" or isinstance(one, (dict, list)):
                raise charm.Blocked(f"config-flags: {section}.{name} must be one line of text")
            merged.setdefault(section, {})[name] = one
    return merged


def command(*arguments, entity="client.admin", data=None, seconds=COMMAND_SECONDS, check=True):
    """Runs `ceph` as the given entity, with a time limit. `data` is read by it as `-i -`."""
    extra = ["-i", "-"] if data is not None else []
    return process.run(
        "ceph", "--name", entity, "--connect-timeout", str(CONNECT_SECONDS), *arguments, *extra,
        data=data, environment={"CEPH_CONF": conf_path()}, seconds=seconds, check=check,
    )  # fmt: skip


def ask(*arguments, entity="client.admin", seconds=COMMAND_SECONDS):
    """What `ceph` answers in JSON."""
    return json.loads(command(*arguments, "--format", "json", entity=entity, seconds=seconds).stdout)


def daemon(name, verb, seconds=10):
    """What a daemon of this machine answers over its own socket; None when it does not answer.

    The socket is spoken to directly, as the `ceph` program takes longer to start than the daemon to
    answer: a command in JSON with a zero byte behind it, and back its length in four bytes and JSON.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
            talk.settimeout(seconds)
            talk.connect(f"{SOCKETS}/ceph-{name}.asok")
            talk.sendall(json.dumps({"prefix": verb, "format": "json"}).encode() + b"\0")
            length = int.from_bytes(_exactly(talk, 4), "big")
            return json.loads(_exactly(talk, min(length, _LONGEST_ANSWER)))
    except (OSError, ValueError):
        return None


def await_daemon(ready, name, sentence, seconds=60):
    """What `ready` answers once it says yes; raises Waiting with the sentence when it takes too long.

    A daemon that waits for the rest of the cluster is not an error: it goes on by itself. One that
    its supervisor has given up is.
    """
    kept = []

    def asked():
        kept[:] = [ready()]
        return kept[0]

    if not asked():
        status.maintenance(sentence)
        try:
            service.wait_until(asked, name, seconds=seconds)
        except process.CommandError as error:
            if service.failed(name):
                raise
            tools.log(str(error), "WARNING")
            raise charm.Waiting(sentence) from error
    return kept[0]


def _exactly(talk, count):
    data = b""
    while len(data) < count:
        more = talk.recv(count - len(data))
        if not more:
            raise ValueError("the daemon ended the conversation")
        data += more
    return data


def version(program):
    """The version that a Ceph program tells, such as `16.2.15`; None when it tells none."""
    found = re.search(r"ceph version (\S+)", process.run(program, "--version", check=False).stdout)
    return found.group(1) if found else None


def staying():
    """The other units of this application that are not about to leave."""
    return sorted(name for name, one in _goal_units().items() if name != tools.unit_name() and not _dies(one))


def dying():
    """Whether this unit is about to leave."""
    return _dies(_goal_units().get(tools.unit_name()))


def _goal_units():
    return (tools.ask("goal-state") or {}).get("units") or {}


def _dies(unit):
    return (unit or {}).get("status") == "dying"


def leaving():
    """Whether this hook says that this very unit is on its way out."""
    return os.environ.get("JUJU_DEPARTING_UNIT") == tools.unit_name()


def monitors(remote_units):
    """The cluster that monitors offer in a relation: fsid, addresses, and all their keys; None before.

    All monitors of one cluster say the same, apart from their address. A second cluster in the same
    relation cannot be.
    """
    ready = [bag for bag in remote_units.values() if bag.get("fsid") and bag.get("ceph-public-address")]
    if not ready:
        return None
    merged = {}
    for bag in reversed(ready):
        merged.update({key: value for key, value in bag.items() if value})
    return {
        **merged,
        "fsid": ready[0]["fsid"],
        "addresses": sorted({bag["ceph-public-address"] for bag in ready}),
    }

"""Daemons that run under the unit file of their own package.

The layer `service` writes whole unit files. Where a package brings a good one, only a drop-in is
written beside it, and the same promise holds: a restart when the drop-in or something that the
daemon depends on differs from what it was last started with, and never otherwise.
"""

import contextlib
import os

from muster_charm import files, process, state, status
from muster_layers import service

_MARK = "# Written by the charm; changes are overwritten.\n"


def drop_in_path(name):
    """Where the drop-in of this daemon is."""
    return f"{service.UNITS}/{name}.service.d/charm.conf"


def ensure(name, drop_in, depends=()):
    """Makes the daemon run, now and after a boot; returns "started", "restarted" or None.

    `drop_in` maps a section of the unit file to a list of `Key=value` lines. `depends` are texts or
    bytes: when one differs from the last start, the daemon is restarted.
    """
    service.require_supervisor()
    text = render(drop_in)
    path = drop_in_path(name)
    files.folder(os.path.dirname(path))
    if files.write(path, text):
        process.run("systemctl", "daemon-reload")
    wanted = files.digest(text, *depends)
    key = f"debian-service.{name}"
    done = None
    if not service.active(name):
        status.maintenance(f"starting {name}")
        process.run("systemctl", "enable", "--quiet", name)
        process.run("systemctl", "reset-failed", name, check=False)
        process.run("systemctl", "start", name)
        done = "started"
    elif state.get(key) != wanted:
        status.maintenance(f"restarting {name}")
        process.run("systemctl", "enable", "--quiet", name)
        process.run("systemctl", "restart", name)
        done = "restarted"
    state.put(key, wanted)
    return done


def absent(name):
    """Stops the daemon, for this boot and later ones, and removes the drop-in."""
    process.run("systemctl", "disable", "--quiet", "--now", name, check=False)
    process.run("systemctl", "reset-failed", name, check=False)
    path = drop_in_path(name)
    if files.remove(path):
        # It stays when somebody else has a drop-in there as well.
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))
        process.run("systemctl", "daemon-reload", check=False)
    state.drop(f"debian-service.{name}")


def render(drop_in):
    """The text of a drop-in."""
    lines = [_MARK.rstrip()]
    for section, settings in drop_in.items():
        lines += [f"[{section}]", *settings]
    return "\n".join(lines) + "\n"

"""Daemons under the machine's supervisor.

A daemon is a unit file and what it depends on. It is restarted when either differs from what it
was last started with, and left alone otherwise. All programs run in the foreground.
"""

import os
import time

from muster_charm import charm, files, process, state, status, tools

UNITS = "/etc/systemd/system"
_MARK = "# Written by the charm; changes are overwritten.\n"


def require_supervisor():
    """Raises Blocked where nothing can supervise a daemon."""
    if os.path.isdir("/run/systemd/system"):
        return
    found = tools.which("systemctl")
    # The agent may put a replacement before the system's own program, which is of no use here.
    if found and not found.startswith(("/usr/bin/", "/bin/")):
        return
    raise charm.Blocked("no systemd on this machine: daemons cannot be supervised")


def unit_text(description, command, user=None, environment=None, service=None, unit=None):
    """A unit file for a program that stays in the foreground.

    `command` is a list, quoted here; `environment` a map; `service` and `unit` are maps of further
    settings for those sections (a list repeats the setting).
    """
    lines = [_MARK.rstrip(), "[Unit]", f"Description={description}"]
    lines += ["After=network-online.target", "Wants=network-online.target"]
    lines += _settings(unit or {})
    lines += ["", "[Service]", "Type=simple", "ExecStart=" + " ".join(_command_word(word) for word in command)]
    if user:
        lines += [f"User={user}"]
    lines += [f"Environment={_quote(f'{k}={v}')}" for k, v in sorted((environment or {}).items())]
    lines += _settings({"Restart": "on-failure", "RestartSec": "2", **(service or {})})
    lines += ["", "[Install]", "WantedBy=multi-user.target", ""]
    return "\n".join(lines)


def ensure(name, text, depends=()):
    """Makes the daemon run with this unit file and these dependencies.

    `depends` are texts or bytes (contents of configuration, digests of trees): when one differs the
    daemon is restarted. Returns "started", "restarted" or None.
    """
    require_supervisor()
    written = files.write(f"{UNITS}/{name}.service", text)
    if written:
        process.run("systemctl", "daemon-reload")
    wanted = files.digest(text, *depends)
    key = f"service.{name}"
    running = active(name)
    done = None
    if not running:
        status.maintenance(f"starting {name}")
        process.run("systemctl", "enable", "--quiet", name)
        process.run("systemctl", "reset-failed", name, check=False)
        process.run("systemctl", "start", name)
        done = "started"
    elif state.get(key) != wanted:
        status.maintenance(f"restarting {name}")
        process.run("systemctl", "restart", name)
        done = "restarted"
    state.put(key, wanted)
    return done


def absent(name):
    """Stops the daemon and removes its unit file, if there is one; True when there was."""
    path = f"{UNITS}/{name}.service"
    if not os.path.exists(path):
        return False
    process.run("systemctl", "disable", "--quiet", "--now", name, check=False)
    os.unlink(path)
    process.run("systemctl", "daemon-reload", check=False)
    state.drop(f"service.{name}")
    return True


def stop(name):
    """Stops the daemon; what is not there is stopped."""
    process.run("systemctl", "stop", name, check=False)


def restart(name):
    """Restarts the daemon whether or not something changed."""
    process.run("systemctl", "restart", name)


def active(name):
    """Whether the supervisor says that the daemon runs."""
    return process.succeeds("systemctl", "is-active", "--quiet", name)


def wait_until(ready, name, seconds=60, interval=0.1):
    """Asks `ready` until it says yes; raises when the daemon failed, or the time is over."""
    end = time.monotonic() + seconds
    asked = 0
    while not ready():
        asked += 1
        if asked % 20 == 0 and failed(name):
            raise process.CommandError(f"{name} failed to start: {why(name)}")
        if time.monotonic() > end:
            raise process.CommandError(f"{name} was not ready within {seconds} s: {why(name)}")
        time.sleep(interval)


def wait_for(ready, seconds, interval=0.1):
    """Asks `ready` until it says yes or the time is over; whether it said yes."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(interval)
    return True


def failed(name):
    """Whether the supervisor has given the daemon up."""
    return process.succeeds("systemctl", "is-failed", "--quiet", name)


def why(name, lines=5):
    """The last words of a daemon, for an error message; they stand in the machine's journal."""
    if not tools.which("journalctl"):
        return "this machine keeps no journal"
    said = process.run("journalctl", "--no-pager", "-o", "cat", "-n", str(lines), "-u", name, check=False)
    return said.stdout.strip() or "nothing in its journal"


def _settings(settings):
    lines = []
    for key, value in settings.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            lines.append(f"{key}={one}")
    return lines


def _command_word(word):
    return _quote(str(word).replace("$", "$$"))


def _quote(word):
    """One word of a unit file, in which `%` means itself (and `$`, outside of command lines)."""
    word = str(word).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{word}"' if any(c in word for c in " \t'\"\\;") or not word else word

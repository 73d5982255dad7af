"""The workload status: said by many layers, shown once.

`maintenance` shows at once, for long work. The others are gathered, and the most pressing one is
set when the hook ends: blocked before waiting before active, and among equals the first one said.
"""

from . import tools

_ORDER = ("blocked", "waiting", "active")
_said = {}


def maintenance(message):
    """Shows at once what the charm is busy with."""
    tools.status_set("maintenance", message)


def blocked(message):
    """The operator must act."""
    _said.setdefault("blocked", message)


def waiting(message):
    """Something is missing that will come by itself."""
    _said.setdefault("waiting", message)


def active(message=""):
    """The workload does its work."""
    _said.setdefault("active", message)


def said():
    """The state and message that would be set now; None when nothing was said."""
    for state in _ORDER:
        if state in _said:
            return state, _said[state]
    return None


def forget():
    """Drops what was said (for tests)."""
    _said.clear()


def settle():
    """Sets the most pressing status. Called once, when the hook ends well."""
    now = said()
    if now:
        tools.status_set(*now)

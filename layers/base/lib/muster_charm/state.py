"""What the charm remembers from one hook to the next: flags, and values by key.

Kept in one file in the charm's folder. It describes the machine (what was installed, what was
written), so it is saved whether the hook ends well or not: what was done was done.
"""

import json
import os

_FILE = ".muster-state.json"
_path = None
_saved = None
_flags = set()
_values = {}


def load(charm):
    """Reads the state of the charm in this folder."""
    global _path, _saved
    _path = os.path.join(charm, _FILE)
    try:
        with open(_path, encoding="utf-8") as file:
            _saved = file.read()
    except FileNotFoundError:
        _saved = None
    kept = json.loads(_saved) if _saved else {}
    _flags.clear()
    _flags.update(kept.get("flags", []))
    _values.clear()
    _values.update(kept.get("values", {}))


def save():
    """Writes the state if it changed: a new file beside the old one, synced, renamed over it."""
    global _saved
    text = json.dumps({"flags": sorted(_flags), "values": _values}, indent=1, sort_keys=True)
    if _path is None or text == _saved:
        return
    fresh = _path + ".new"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, _path)
    _saved = text


def set_flag(name):
    """Sets a flag, such as `apt.installed.curl`."""
    _flags.add(name)


def clear_flag(name):
    """Clears a flag; unset ones are fine."""
    _flags.discard(name)


def is_set(name):
    """Whether a flag is set."""
    return name in _flags


def toggle_flag(name, on):
    """Sets or clears a flag."""
    (_flags.add if on else _flags.discard)(name)


def flags(prefix=""):
    """All flags with this beginning, in order."""
    return sorted(name for name in _flags if name.startswith(prefix))


def get(key, default=None):
    """A remembered value (what JSON can hold). Never remember a secret: remember its digest."""
    return _values.get(key, default)


def put(key, value):
    """Remembers a value, and tells whether it differs from what was remembered."""
    changed = _values.get(key) != value
    _values[key] = value
    return changed


def drop(key):
    """Forgets a value."""
    _values.pop(key, None)

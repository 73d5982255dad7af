"""The options that layers were given, from the composed `layer.yaml`.

Read once for each unpacking of the charm: the parsed options are remembered with the charm's state.
"""

import os

from . import state

_KEY = "base.options"


def of(layer, folder=None):
    """The options of one layer, by name; empty when none were given."""
    return _all(folder or os.environ["CHARM_DIR"]).get(layer) or {}


def _all(folder):
    path = os.path.join(folder, "layer.yaml")
    found = os.stat(path)
    mark = f"{found.st_ino}:{found.st_ctime_ns}"
    kept = state.get(_KEY)
    if not kept or kept["mark"] != mark:
        from . import yaml  # only a new charm pays for reading YAML

        with open(path, encoding="utf-8") as file:
            options = (yaml.load(file.read()) or {}).get("options") or {}
        kept = {"mark": mark, "options": options}
        state.put(_KEY, kept)
    return kept["options"]

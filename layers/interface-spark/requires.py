"""The side that wants a master: any key that any provider is known to write."""

import json


def master_uri(units):
    """The master's address in the bags of the remote units; None while nobody has written one."""
    for bag in units.values():
        for key in ("connection_string", "master", "master-uri", "master_uri"):
            uri = _text(bag.get(key))
            if uri.startswith("spark://"):
                return uri
    return None


def _text(value):
    value = value or ""
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            return ""
    return value

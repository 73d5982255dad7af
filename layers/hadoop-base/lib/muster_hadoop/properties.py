"""Settings as Hadoop and Java read them."""

_NOTE = "Written by the charm; changes are overwritten."


class BadLine(ValueError):
    """A line of settings is not key=value."""


def parse(text):
    """The key=value lines of a setting, as a map; empty lines and those that begin with # are left out."""
    found = {}
    for number, line in enumerate((text or "").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise BadLine(f"line {number} is not key=value")
        found[key.strip()] = value.strip()
    return found


def xml(properties):
    """The text of a core-site.xml."""
    rows = [
        f"  <property>\n    <name>{_text(key)}</name>\n    <value>{_text(str(value))}</value>\n  </property>\n"
        for key, value in sorted(properties.items())
    ]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- {_NOTE} -->\n<configuration>\n{"".join(rows)}</configuration>\n'


def java(properties):
    """The text of a Java properties file, which is what spark-defaults.conf is."""
    rows = [f"{_key(key)}={_value(value)}\n" for key, value in sorted(properties.items())]
    return f"# {_NOTE}\n{''.join(rows)}"


def _text(text):
    # Python's own function for this costs every hook ten milliseconds of imports.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _key(text):
    for special in "\\ :=#!":
        text = text.replace(special, "\\" + special)
    return text


def _value(value):
    text = str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return "\\" + text if text.startswith(" ") else text

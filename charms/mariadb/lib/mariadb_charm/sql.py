"""SQL as text: names and literals quoted, statements for accounts, and rows read back.

Nothing here runs anything.
"""

import re
import xml.etree.ElementTree

_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$-]{0,63}")
_SERVERS_OWN = {"mysql", "sys", "information_schema", "performance_schema"}
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def usable_database(name):
    """Whether a related application may have a database of this name."""
    return bool(_DATABASE.fullmatch(name)) and name.lower() not in _SERVERS_OWN


def identifier(name):
    """A name, quoted."""
    return "`" + name.replace("`", "``") + "`"


def pattern(database):
    """A database's name where GRANT takes a pattern: its wildcards mean themselves."""
    return identifier(re.sub(r"([\\_%])", r"\\\1", database))


def literal(text):
    """A text, quoted. It holds in a `script`, where a backslash means itself."""
    if "\0" in text:
        raise ValueError("no text of SQL may hold a zero byte")
    return "'" + text.replace("'", "''") + "'"


def account(user, host="%"):
    """An account's name, quoted."""
    return f"{literal(user)}@{literal(host)}"


def make_account(user, password, database):
    """Statements that make a database and an account with all rights on it."""
    return [
        f"CREATE DATABASE IF NOT EXISTS {identifier(database)}",
        *_with_password(user, password),
        f"GRANT ALL PRIVILEGES ON {pattern(database)}.* TO {account(user)}",
    ]


def make_administrator(user, password, database):
    """Statements that make a database and an account with all rights on everything."""
    return [
        f"CREATE DATABASE IF NOT EXISTS {identifier(database)}",
        *_with_password(user, password),
        f"GRANT ALL PRIVILEGES ON *.* TO {account(user)} WITH GRANT OPTION",
    ]


def _with_password(user, password):
    return [
        f"CREATE USER IF NOT EXISTS {account(user)} IDENTIFIED BY {literal(password)}",
        f"ALTER USER {account(user)} IDENTIFIED BY {literal(password)}",
    ]


def drop_account(user):
    """Statements that end an account."""
    return [f"DROP USER IF EXISTS {account(user)}"]


def script(statements):
    """Statements as the client reads them, with one way to write a text."""
    plain = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')"
    return "".join(f"{statement};\n" for statement in [plain, *statements])


def errors(said):
    """What of the client's words may be shown: it repeats statements, which may hold passwords."""
    lines = [line for line in said.splitlines() if line.startswith("ERROR")]
    return "; ".join(lines) or "no reason given"


def rows(text):
    """The rows of the client's XML output: maps from column to text, None for NULL."""
    if not text.strip():
        return []
    found = []
    for row in xml.etree.ElementTree.fromstring(text).iter("row"):
        found.append({f.get("name"): None if f.get(_NIL) == "true" else (f.text or "") for f in row.iter("field")})
    return found

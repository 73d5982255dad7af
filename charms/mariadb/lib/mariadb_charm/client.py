"""Runs SQL as the machine's root, over the server's socket, which asks for no password.

Statements travel over standard input: they may hold passwords, and a process list shows arguments.
"""

from mariadb_charm import sql
from muster_charm import process

_SECONDS = 60
_OWN_SETTINGS = ("--no-defaults", "--protocol=socket", "--socket=/run/mysqld/mysqld.sock", "--user=root")


def run(statements, seconds=_SECONDS):
    """Runs statements."""
    _client(sql.script(statements), _OWN_SETTINGS, seconds)


def rows(statement, settings=_OWN_SETTINGS, seconds=_SECONDS):
    """The rows of one statement."""
    return sql.rows(_client(f"{statement};\n", [*settings, "--xml"], seconds))


def _client(text, settings, seconds):
    done = process.run("mariadb", *settings, "--batch", data=text, seconds=seconds, check=False)
    if done.returncode != 0:
        raise process.CommandError(f"mariadb failed with exit code {done.returncode}: {sql.errors(done.stderr)}")
    return done.stdout


def answers():
    """Whether the server answers."""
    return process.succeeds("mariadb-admin", *_OWN_SETTINGS, "--connect-timeout=5", "ping", seconds=15)


def arguments():
    """The arguments with which other client programs reach the server in the same way."""
    return list(_OWN_SETTINGS)

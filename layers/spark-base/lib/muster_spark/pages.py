"""What the master's and worker's own pages say, as JSON."""

import json
from http import client


class NoAnswer(Exception):
    """The page did not answer, or not in JSON."""


def ask(address, port, seconds=5):
    """The state that a master or worker tells of itself."""
    try:
        connection = client.HTTPConnection(address, port, timeout=seconds)
        try:
            connection.request("GET", "/json/")
            answer = connection.getresponse()
            body = answer.read(16 * 1024 * 1024)
            if answer.status != 200:
                raise NoAnswer(f"http://{address}:{port}/json/ answered {answer.status}")
            return json.loads(body)
        finally:
            connection.close()
    except (OSError, ValueError, client.HTTPException) as error:
        raise NoAnswer(f"http://{address}:{port}/json/: {error}") from error


def alive_workers(master):
    """The workers that the master counts on."""
    return [worker for worker in master.get("workers", []) if worker.get("state") == "ALIVE"]


def is_registered(master, host):
    """Whether the master counts on a worker at this address."""
    return any(worker.get("host") == host for worker in alive_workers(master))


def host_of(uri):
    """The first host of a spark:// address."""
    return uri.removeprefix("spark://").split(",")[0].rpartition(":")[0]


def jobs(master):
    """All applications that the master remembers, as (id, name, state, user, seconds), newest first."""
    found = []
    for kind in ("activeapps", "completedapps"):
        for app in master.get(kind, []):
            seconds = int(app.get("duration", 0)) // 1000
            found.append((app.get("id"), app.get("name"), app.get("state"), app.get("user"), seconds))
    return sorted(found, reverse=True)

"""What the master's and worker's own pages say, as JSON."""

import json
import socket

_MOST = 16 * 1024 * 1024


class NoAnswer(Exception):
    """The page did not answer, or not in JSON."""


def ask(address, port, seconds=5):
    """The state that a master or worker tells of itself.

    The request is written by hand: Python's own client costs every hook fifteen milliseconds of imports.
    """
    url = f"http://{address}:{port}/json/"
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            connection.sendall(f"GET /json/ HTTP/1.0\r\nHost: {address}:{port}\r\n\r\n".encode())
            answer = _all(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        if len(words) < 2 or words[1] != b"200":
            raise NoAnswer(f"{url} answered {words[1].decode('ascii', 'replace') if len(words) > 1 else 'nothing'}")
        return json.loads(body)
    except (OSError, ValueError) as error:
        raise NoAnswer(f"{url}: {error}") from error


def _all(connection):
    answer = bytearray()
    while block := connection.recv(65536):
        answer += block
        if len(answer) > _MOST:
            raise ValueError("the answer does not end")
    return bytes(answer)


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

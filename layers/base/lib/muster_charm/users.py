"""System users and groups."""

import grp
import pwd

from . import process


def group(name):
    """Makes a system group if there is none of that name; True when it was made."""
    try:
        grp.getgrnam(name)
        return False
    except KeyError:
        process.run("groupadd", "--system", name)
        return True


def user(name, home="/nonexistent", groups=()):
    """Makes a system user without login, with a group of the same name; True when it was made."""
    group(name)
    made = False
    try:
        pwd.getpwnam(name)
    except KeyError:
        process.run(
            "useradd", "--system", "--no-create-home", "--home-dir", home,
            "--shell", "/usr/sbin/nologin", "--gid", name, name,
        )  # fmt: skip
        made = True
    for extra in groups:
        group(extra)
        if name not in grp.getgrnam(extra).gr_mem:
            process.run("usermod", "--append", "--groups", extra, name)
    return made

"""Files and folders: made whole or not at all, with mode and owner, telling whether they changed."""

import grp
import hashlib
import os
import pwd
import stat


def uid(user):
    """The number of a user, by name or number."""
    return user if isinstance(user, int) else pwd.getpwnam(user).pw_uid


def gid(group):
    """The number of a group, by name or number."""
    return group if isinstance(group, int) else grp.getgrnam(group).gr_gid


def write(path, content, mode=0o644, owner="root", group="root"):
    """Makes the file have exactly this content, mode and owner; True when anything differed.

    The new file is complete, with its mode and owner, before it takes the name: nobody ever reads
    half of it, or reads a secret before its mode is set.
    """
    data = content.encode() if isinstance(content, str) else content
    user_id, group_id = uid(owner), gid(group)
    if _same(path, data, mode, user_id, group_id):
        return False
    fresh = f"{path}.{os.getpid()}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(fresh, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchown(file.fileno(), user_id, group_id)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        remove(fresh)
        raise
    return True


def _same(path, data, mode, user_id, group_id):
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) != mode:
        return False
    if (found.st_uid, found.st_gid) != (user_id, group_id) or found.st_size != len(data):
        return False
    with open(path, "rb") as file:
        return file.read() == data


def folder(path, mode=0o755, owner="root", group="root"):
    """Makes the folder, with those above it, and sets its mode and owner; True when anything differed."""
    changed = not os.path.isdir(path)
    if changed:
        os.makedirs(path)
    user_id, group_id = uid(owner), gid(group)
    found = os.stat(path)
    if (found.st_uid, found.st_gid) != (user_id, group_id):
        os.chown(path, user_id, group_id)
        changed = True
    if stat.S_IMODE(found.st_mode) != mode:
        os.chmod(path, mode)
        changed = True
    return changed


def link(target, path):
    """Makes `path` a symbolic link to `target` in one step; True when it was not that before."""
    try:
        if os.readlink(path) == target:
            return False
    except OSError:
        pass
    fresh = f"{path}.{os.getpid()}.new"
    remove(fresh)
    os.symlink(target, fresh)
    try:
        os.replace(fresh, path)
    except BaseException:
        remove(fresh)
        raise
    return True


def read(path, default=None):
    """The text of a file; `default` when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return default


def remove(path):
    """Removes a file or link; True when there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def digest(*parts):
    """The SHA-256 of texts or bytes, told apart by their lengths; for "has it changed?"."""
    hashing = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hashing.update(len(data).to_bytes(8, "big"))
        hashing.update(data)
    return hashing.hexdigest()


def file_digest(path):
    """The SHA-256 of a file's bytes, in hexadecimal."""
    hashing = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            hashing.update(block)
    return hashing.hexdigest()

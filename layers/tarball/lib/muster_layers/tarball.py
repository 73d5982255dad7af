"""Software from a resource. `HOME` is a link to `HOME-<digest>`, so an unpacked tree is never changed:
it is whole or absent, and going over to another one is one rename."""

import hashlib
import os
import re
import stat

from muster_charm import charm, files, process, state, status, tools

_DIGEST = re.compile(r"(?:^|[^0-9a-f])([0-9a-f]{64}|[0-9a-f]{96})(?:[^0-9a-f]|$)")
# Resources change only with these hooks: a new revision of one comes as `upgrade-charm`.
_HOOKS = ("install", "upgrade-charm", "config-changed")


class Tree:
    """An unpacked resource: where it is, the digest of its archive, whether this hook put it there."""

    def __init__(self, home, digest, changed):
        self.home = home
        self.digest = digest
        self.changed = changed


def ensure(resource, home, strip=1, required=True, hint=""):
    """Makes `home` the unpacked resource.

    None when an optional resource is not attached or is empty; Blocked when a required one is. `strip`
    is how many leading parts of each path are dropped.
    """
    key = f"tarball.{resource}"
    kept = state.get(key)
    if kept and tools.hook_name() not in _HOOKS:
        if not kept["digest"] and not required:
            return None
        if kept["digest"] and os.path.isdir(home):
            return Tree(home, kept["digest"], False)
    path = _attached(resource)
    if path is None:
        if required:
            raise charm.Blocked(f"waiting for {resource}{hint or ': attach it with attach-resource'}")
        _leave(home, key)
        return None
    mark = _mark(path)
    digest = kept["digest"] if kept and kept["mark"] == mark else _digest(path)
    target = f"{home}-{digest[:16]}"
    if not os.path.isdir(target):
        status.maintenance(f"unpacking {resource}")
        _unpack(resource, path, target, strip)
    changed = files.link(os.path.basename(target), home)
    state.put(key, {"digest": digest, "mark": mark})
    return Tree(home, digest, changed)


def prune(home):
    """Removes the trees that `home` no longer points to. Call it when no daemon uses the old one."""
    current = os.path.basename(os.path.realpath(home)) if os.path.islink(home) else None
    parent, name = os.path.split(home)
    if not os.path.isdir(parent):
        return
    for entry in os.listdir(parent):
        if entry != current and re.fullmatch(re.escape(name) + r"-[0-9a-f]{16}(?:\.part)?", entry):
            _remove_tree(os.path.join(parent, entry))


def tree_digest(folder):
    """One SHA-256 over a tree: of each entry, in order of path, its path, kind, whether it may be
    executed, and its content. Equal trees have equal digests wherever they are."""
    hashing = hashlib.sha256()
    for path, kind, name in sorted(_entries(folder)):
        if kind == "link":
            content = os.readlink(name)
        elif kind == "folder":
            content = ""
        else:
            content = files.file_digest(name)
        hashing.update(f"{path}\0{kind}\0{content}\n".encode("utf-8", "surrogateescape"))
    return hashing.hexdigest()


def _entries(folder):
    for at, folders, names in os.walk(folder):
        inner = os.path.relpath(at, folder)
        for entry in folders + names:
            full = os.path.join(at, entry)
            mode = os.lstat(full).st_mode
            if stat.S_ISLNK(mode):
                kind = "link"
            elif stat.S_ISDIR(mode):
                kind = "folder"
            else:
                kind = "program" if mode & stat.S_IXUSR else "file"
            yield os.path.normpath(os.path.join(inner, entry)), kind, full


def _attached(resource):
    path = tools.resource_get(resource)
    # An optional resource that the operator has no use for is often attached as an empty file.
    return path if path and os.path.exists(path) and os.path.getsize(path) > 0 else None


def _mark(path):
    found = os.stat(path)
    return f"{os.path.realpath(path)}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _digest(path):
    """The archive's digest: the one in its path, where an agent keeps resources by digest, or its own."""
    in_path = _DIGEST.search(os.path.realpath(path))
    return in_path[1] if in_path else files.file_digest(path)


def _leave(home, key):
    if os.path.islink(home):
        os.unlink(home)
    state.put(key, {"digest": "", "mark": None})
    prune(home)


def _remove_tree(path):
    import shutil  # it costs milliseconds, and few hooks need it

    if os.path.isdir(path):
        shutil.rmtree(path)


def _unpack(resource, path, target, strip):
    part = f"{target}.part"
    if os.path.exists(part):
        _remove_tree(part)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        if tools.available("resource-unpack"):
            tools.call("resource-unpack", resource, part, "--strip-components", str(strip))
        else:
            os.mkdir(part, 0o755)
            process.run("tar", "-xf", path, "-C", part, f"--strip-components={strip}", "--no-same-owner")
        os.chmod(part, 0o755)
    except (tools.ToolError, process.CommandError) as error:
        _remove_tree(part)
        import tarfile  # only the way to an error message needs it

        if not tarfile.is_tarfile(path):
            raise charm.Blocked(f"{resource} is no tar archive: attach another") from error
        raise
    if not os.listdir(part):
        os.rmdir(part)
        raise charm.Blocked(f"{resource} holds nothing below its first {strip} folders: attach another")
    os.rename(part, target)

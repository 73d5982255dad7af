"""A slot: one place for an OSD, a device or the file, and how far the OSD there has come.

A slot is a folder of small files, each written whole before the step that it belongs to:
`uuid` and `secret.json` before the cluster is asked for a number, `id` when it has given one,
`fsid` for the cluster it belongs to. Whatever was interrupted is taken up where it was left.
"""

import json
import os
import shutil
import uuid

from muster_charm import files
from muster_layers import ceph_base

FILE = "file"


class Slot:
    """One slot, by name: `file`, or a storage id with a dash such as `osd-devices-0`."""

    def __init__(self, name, root):
        self.name = name
        self.path = os.path.join(root, name)

    def begin(self, fsid):
        """Makes the slot, with an id and a key for its OSD; what is there already stays."""
        files.folder(self.path, 0o700)
        for name, text in (
            ("fsid", fsid),
            ("uuid", str(uuid.uuid4())),
            ("secret.json", json.dumps({"cephx_secret": ceph_base.new_key()})),
        ):
            if self._read(name) is None:
                files.write(os.path.join(self.path, name), text, 0o600)

    @property
    def fsid(self):
        """The cluster that the OSD belongs to."""
        return self._read("fsid")

    @property
    def uuid(self):
        """The OSD's UUID."""
        return self._read("uuid")

    @property
    def secret(self):
        """The OSD's key in the form in which the cluster is told."""
        return self._read("secret.json")

    @property
    def key(self):
        """The OSD's key."""
        return json.loads(self.secret)["cephx_secret"]

    @property
    def id(self):
        """The OSD's number in the cluster; None until it has one."""
        text = self._read("id")
        return int(text) if text else None

    def number(self, given):
        """Remembers the OSD's number."""
        files.write(os.path.join(self.path, "id"), str(given), 0o600)

    @property
    def storage(self):
        """The storage that the slot is for; None for the file."""
        if self.name == FILE:
            return None
        name, _, number = self.name.rpartition("-")
        return f"{name}/{number}"

    def forget(self):
        """Removes the slot."""
        shutil.rmtree(self.path)

    def _read(self, name):
        return files.read(os.path.join(self.path, name))


def slots(root):
    """All slots that were begun."""
    names = sorted(os.listdir(root)) if os.path.isdir(root) else []
    return [slot for slot in (Slot(name, root) for name in names) if slot.uuid]


def slot_name(storage):
    """The name of the slot for a storage."""
    return storage.replace("/", "-")

"""The OSDs' decisions, on files in place of devices and with the hook tools replaced."""

import os
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

CHARM = Path(__file__).resolve().parent.parent
LAYERS = CHARM.parent.parent / "layers"
NAMES = ("base", "apt", "service", "debian-service", "ceph-base")
sys.path[:0] = [str(LAYERS / name / "lib") for name in NAMES] + [str(CHARM / "lib")]

import muster_layers  # noqa: E402

muster_layers.__path__ += [str(LAYERS / name / "lib/muster_layers") for name in NAMES[1:]]
muster_layers.__path__.append(str(CHARM / "lib/muster_layers"))

# The charm's own package has the name of its layer's module, and each is found where it belongs.
from ceph_osd import device  # noqa: E402
from ceph_osd.slot import Slot, slot_name, slots  # noqa: E402
from muster_charm import charm, files, process, state, tools  # noqa: E402
from muster_layers import ceph_base, ceph_osd  # noqa: E402

UUID = "e2d97ef8-1b54-4fc2-a5df-110094cac84d"


class Folder(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = kept.name
        write = files.write
        for patch in (
            # Whoever runs the tests owns what they write.
            mock.patch.object(files, "write", lambda p, c, mode=0o644, *_: write(p, c, mode, os.getuid(), os.getgid())),
            mock.patch.object(files, "folder", lambda p, *_: os.makedirs(p, exist_ok=True)),
            mock.patch.dict(os.environ, {"JUJU_UNIT_NAME": "ceph-osd/0"}),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def disk(self, start=b"", size=2 << 20):
        path = os.path.join(self.folder, "disk")
        with open(path, "wb") as file:
            file.write(start)
            file.truncate(size)
        return path


class Devices(Folder):
    def test_an_empty_one_holds_nothing(self):
        self.assertIsNone(device.content(self.disk()))

    def test_an_osd_is_told_by_its_label(self):
        self.assertEqual(device.content(self.disk(device.LABEL + UUID.encode() + b"\n")), UUID)

    def test_anything_else_is_something_else(self):
        self.assertEqual(device.content(self.disk(bytes(1080) + b"\x53\xef")), "other")

    def test_wiping_empties_it_and_keeps_its_size(self):
        path = self.disk(device.LABEL)
        device.wipe(path)
        self.assertIsNone(device.content(path))
        self.assertEqual(os.path.getsize(path), 2 << 20)

    def test_sizes(self):
        self.assertEqual([device.size(t) for t in ("512M", "4G", "1t")], [512 << 20, 4 << 30, 1 << 40])
        for text in ("", "G", "4", "4.5G", "-1G", "4GB", "٤G"):
            with self.subTest(text), self.assertRaises(ValueError):
                device.size(text)


class Slots(Folder):
    def test_a_slot_that_was_begun_keeps_its_osd(self):
        slot = Slot("osd-devices-0", self.folder)
        slot.begin("f")
        first = (slot.uuid, slot.key)
        slot.begin("g")
        self.assertEqual((slot.uuid, slot.key, slot.fsid), (*first, "f"))

    def test_keys_are_for_root_alone(self):
        slot = Slot("file", self.folder)
        slot.begin("f")
        self.assertEqual(os.stat(os.path.join(slot.path, "secret.json")).st_mode & 0o777, 0o600)

    def test_a_slot_goes_from_storage_to_name_and_back(self):
        self.assertEqual(Slot(slot_name("osd-devices/12"), self.folder).storage, "osd-devices/12")
        self.assertIsNone(Slot("file", self.folder).storage)

    def test_a_folder_that_was_not_begun_is_no_slot(self):
        os.mkdir(os.path.join(self.folder, "osd-devices-0"))
        self.assertEqual(slots(self.folder), [])

    def test_a_number_is_kept(self):
        slot = Slot("file", self.folder)
        slot.begin("f")
        self.assertIsNone(slot.id)
        slot.number(0)
        self.assertEqual(slot.id, 0)


class Refusing(Folder):
    def test_a_foreign_device_blocks_and_says_what_to_do(self):
        slot = Slot("osd-devices-0", self.folder)
        for start in (b"data", device.LABEL + UUID.encode()):
            with self.subTest(start), self.assertRaisesRegex(charm.Blocked, r"osd-devices/0 .* zap-disk"):
                ceph_osd.refuse_foreign(slot, self.disk(start))

    def test_an_empty_one_and_the_slots_own_are_taken(self):
        slot = Slot("osd-devices-0", self.folder)
        ceph_osd.refuse_foreign(slot, self.disk())
        slot.begin("f")
        ceph_osd.refuse_foreign(slot, self.disk(device.LABEL + slot.uuid.encode()))

    def test_a_device_that_is_not_there_blocks(self):
        with self.assertRaisesRegex(charm.Blocked, "cannot be read"):
            ceph_osd.refuse_foreign(Slot("osd-devices-0", self.folder), "/nonexistent")


class Places(Folder):
    def places(self, attached, begun=(), kind=None):
        told = {name: {"kind": "block", "location": f"/dev/{number}"} for number, name in enumerate(attached)}
        kept = {"osd.kind": kind} if kind else {}
        with (
            mock.patch.object(tools, "storage_ids", lambda _: list(attached)),
            mock.patch.object(tools, "storage_get", told.get),
            mock.patch.object(state, "get", kept.get),
            mock.patch.object(state, "put", kept.__setitem__),
        ):
            return ceph_osd.wanted_places([types.SimpleNamespace(name=name) for name in begun]), kept["osd.kind"]

    def test_without_devices_there_is_a_file(self):
        self.assertEqual(self.places([]), ({"file": None}, "file"))

    def test_with_devices_there_is_none(self):
        self.assertEqual(self.places(["osd-devices/0"]), ({"osd-devices-0": "/dev/0"}, "devices"))

    def test_a_device_that_went_makes_no_file(self):
        self.assertEqual(self.places([], kind="devices"), ({}, "devices"))

    def test_a_device_that_comes_later_joins_the_file(self):
        self.assertEqual(
            self.places(["osd-devices/3"], begun=["file"], kind="file"),
            ({"file": None, "osd-devices-3": "/dev/0"}, "file"),
        )


class Leaving(Folder):
    def handed(self, others, copies, staying=("ceph-osd/1",), mine=(0,), dying=False):
        osds = [{"osd": number, "up": 1, "in": 1} for number in (*mine, *others)]
        dump = {"osds": osds, "pools": [{"size": size} for size in copies]}
        with (
            mock.patch.object(ceph_base, "ask", return_value=dump),
            mock.patch.object(ceph_base, "staying", return_value=list(staying)),
            mock.patch.object(ceph_base, "dying", return_value=dying),
            mock.patch.object(ceph_osd, "slots", return_value=[types.SimpleNamespace(id=number) for number in mine]),
            mock.patch.object(ceph_osd, "drain") as drain,
            mock.patch.object(tools, "status_set"),
        ):
            return ceph_osd.hand_over(types.SimpleNamespace(id=0)), drain.called

    def test_what_others_can_hold_is_handed_over(self):
        self.assertEqual(self.handed([1], [1]), (True, True))

    def test_the_last_osd_keeps_what_it_holds(self):
        self.assertEqual(self.handed([], [1]), (False, False))

    def test_an_application_that_goes_as_a_whole_hands_nothing_over(self):
        self.assertEqual(self.handed([1], [1], staying=()), (False, False))

    def test_another_device_of_the_same_unit_takes_over(self):
        self.assertEqual(self.handed([], [1], staying=(), mine=(0, 1)), (True, True))

    def test_a_device_that_goes_as_well_does_not(self):
        self.assertEqual(self.handed([], [1], staying=(), mine=(0, 1), dying=True), (False, False))

    def test_an_osd_stays_while_its_copies_have_no_other_place(self):
        for copies in ([3, 3], [1, 3]):
            with self.subTest(copies), self.assertRaisesRegex(process.CommandError, "3 copies .* only 2 OSDs"):
                self.handed([1, 2], copies)


if __name__ == "__main__":
    unittest.main()

"""What the Ceph charms share, without Ceph: texts, keys, and the conversation with a daemon's socket."""

import base64
import json
import os
import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

LAYERS = Path(__file__).resolve().parent.parent.parent
NAMES = ("base", "apt", "service", "debian-service", "ceph-base")
sys.path[:0] = [str(LAYERS / name / "lib") for name in NAMES]

import muster_layers  # noqa: E402

muster_layers.__path__ += [str(LAYERS / name / "lib/muster_layers") for name in NAMES[1:]]

from muster_charm import charm, process, tools  # noqa: E402
from muster_layers import ceph_base, debian_service  # noqa: E402


class Texts(unittest.TestCase):
    def test_monitors_are_named_on_both_ports(self):
        self.assertEqual(
            ceph_base.mon_host(["10.0.0.1", "fd00::2"]),
            "[v2:10.0.0.1:3300,v1:10.0.0.1:6789] [v2:[fd00::2]:3300,v1:[fd00::2]:6789]",
        )

    def test_a_new_key_has_the_form_that_ceph_reads(self):
        raw = base64.b64decode(ceph_base.new_key())
        self.assertEqual(len(raw), 28)
        self.assertEqual(raw[:2], b"\x01\x00")
        self.assertEqual(raw[10:12], b"\x10\x00")
        self.assertNotEqual(ceph_base.new_key(), ceph_base.new_key())

    def test_flags_lie_over_the_sections_and_leave_the_rest(self):
        sections = {"global": {"a": "1"}, "osd": {"b": "2"}}
        merged = ceph_base.merge_flags(sections, '{"osd": {"b": 3}, "c": "4", "mon": {"d": true}}')
        self.assertEqual(merged, {"global": {"a": "1", "c": "4"}, "osd": {"b": 3}, "mon": {"d": True}})
        self.assertEqual(sections["osd"], {"b": "2"})

    def test_flags_that_cannot_be_are_refused(self):
        for text in ("{", "[]", '{"osd": {"a": "x\\n[mon]"}}', '{"osd": {"a": {}}}'):
            with self.subTest(text), self.assertRaises(charm.Blocked):
                ceph_base.merge_flags({}, text)

    def test_a_drop_in_has_its_sections(self):
        text = debian_service.render({"Unit": ["A=1"], "Service": ["B=2", "B=3"]})
        self.assertEqual(text.splitlines()[1:], ["[Unit]", "A=1", "[Service]", "B=2", "B=3"])


class Monitors(unittest.TestCase):
    def test_nothing_is_known_before_one_has_both_id_and_address(self):
        self.assertIsNone(ceph_base.monitors({"m/0": {"fsid": "f"}, "m/1": {"ceph-public-address": "10.0.0.1"}}))

    def test_addresses_of_all_and_keys_of_any_come_together(self):
        found = ceph_base.monitors(
            {
                "m/0": {"fsid": "f", "ceph-public-address": "10.0.0.2", "x_key": ""},
                "m/1": {"fsid": "f", "ceph-public-address": "10.0.0.1", "x_key": "k"},
                "m/2": {},
            }
        )
        self.assertEqual(found["addresses"], ["10.0.0.1", "10.0.0.2"])
        self.assertEqual((found["fsid"], found["x_key"]), ("f", "k"))


class Units(unittest.TestCase):
    def told(self, units):
        for patch in (
            mock.patch.object(tools, "ask", return_value={"units": units}),
            mock.patch.dict(os.environ, {"JUJU_UNIT_NAME": "ceph-osd/1"}),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def test_those_that_leave_do_not_stay(self):
        self.told({"ceph-osd/0": {"status": "active"}, "ceph-osd/1": {"status": "dying"}, "ceph-osd/2": {"status": "dying"}})
        self.assertEqual(ceph_base.staying(), ["ceph-osd/0"])
        self.assertTrue(ceph_base.dying())

    def test_a_unit_that_is_not_listed_does_not_die(self):
        self.told({})
        self.assertEqual((ceph_base.staying(), ceph_base.dying()), ([], False))


class Socket(unittest.TestCase):
    def answer(self, *parts):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        patch = mock.patch.object(ceph_base, "SOCKETS", kept.name)
        patch.start()
        self.addCleanup(patch.stop)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listening.close)
        listening.bind(f"{kept.name}/ceph-mon.a.asok")
        listening.listen()
        asked = []

        def serve():
            with listening.accept()[0] as talk:
                asked.append(talk.recv(1000))
                for part in parts:
                    talk.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        told = ceph_base.daemon("mon.a", "mon_status")
        thread.join()
        self.assertEqual(json.loads(asked[0].rstrip(b"\0")), {"prefix": "mon_status", "format": "json"})
        return told

    def test_an_answer_in_pieces_is_put_together(self):
        text = json.dumps({"state": "leader"}).encode()
        self.assertEqual(self.answer(len(text).to_bytes(4, "big"), text[:5], text[5:]), {"state": "leader"})

    def test_an_answer_that_breaks_off_is_none(self):
        self.assertIsNone(self.answer((100).to_bytes(4, "big"), b'{"state"'))

    def test_a_daemon_that_is_not_there_answers_nothing(self):
        with mock.patch.object(ceph_base, "SOCKETS", "/nonexistent"):
            self.assertIsNone(ceph_base.daemon("osd.0", "status"))


class Waiting(unittest.TestCase):
    def wait(self, ready, failed=False):
        error = process.CommandError("too long")
        with (
            mock.patch.object(ceph_base.service, "wait_until", side_effect=error),
            mock.patch.object(ceph_base.service, "failed", return_value=failed),
            mock.patch.object(ceph_base.status, "maintenance"),
            mock.patch.object(tools, "log"),
        ):
            return ceph_base.await_daemon(ready, "d", "waiting for the rest")

    def test_what_is_ready_is_answered_at_once(self):
        self.assertEqual(self.wait(lambda: {"state": "peon"}), {"state": "peon"})

    def test_a_daemon_that_still_tries_is_waited_for(self):
        with self.assertRaisesRegex(charm.Waiting, "waiting for the rest"):
            self.wait(lambda: None)

    def test_a_daemon_that_was_given_up_is_an_error(self):
        with self.assertRaises(process.CommandError):
            self.wait(lambda: None, failed=True)


if __name__ == "__main__":
    unittest.main()

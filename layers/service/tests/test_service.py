"""Daemons, with a supervisor that only writes down what it is asked."""

import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

LAYERS = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(LAYERS / "base/lib")]
import muster_layers  # noqa: E402

muster_layers.__path__.append(str(LAYERS / "service/lib/muster_layers"))

from muster_charm import charm, files, process, state, status  # noqa: E402
from muster_layers import service  # noqa: E402


class Text(unittest.TestCase):
    def test_words_mean_themselves(self):
        text = service.unit_text("A daemon", ["/bin/x", "a b", "50%", "$HOME"], environment={"K": "v $x%"})
        self.assertIn('ExecStart=/bin/x "a b" 50%% $$HOME\n', text)
        # A dollar is nothing special in Environment=.
        self.assertIn('Environment="K=v $x%%"\n', text)

    def test_settings_may_be_added_repeated_and_overridden(self):
        text = service.unit_text("A", ["/bin/x"], service={"Restart": "always", "ExecStartPre": ["/a", "/b"]})
        self.assertIn("Restart=always\n", text)
        self.assertNotIn("on-failure", text)
        self.assertIn("ExecStartPre=/a\nExecStartPre=/b\n", text)


class Supervised(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.asked, self.running = [], set()
        state.load(kept.name)
        real = files.write
        for target, name, value in (
            (service, "UNITS", kept.name),
            (service, "require_supervisor", lambda: None),
            (status, "maintenance", lambda _: None),
            (process, "run", self.systemctl),
            (process, "succeeds", lambda *words: words[-1] in self.running),
            (files, "write", lambda path, text: real(path, text, owner=Path(kept.name).stat().st_uid, group=Path(kept.name).stat().st_gid)),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def systemctl(self, *words, **_):
        self.asked.append(words[1])
        if words[1] in ("start", "restart"):
            self.running.add(words[-1])
        if words[1] == "disable":
            self.running.discard(words[-1])

    def ensure(self, text="[Service]\n", depends=("a",)):
        self.asked.clear()
        return service.ensure("wiki", text, depends)

    def test_a_daemon_is_started_once_and_then_left_alone(self):
        self.assertEqual(self.ensure(), "started")
        self.assertEqual(self.asked, ["daemon-reload", "enable", "reset-failed", "start"])
        self.assertIsNone(self.ensure())
        self.assertEqual(self.asked, [])

    def test_what_it_depends_on_restarts_it(self):
        self.ensure()
        self.assertEqual(self.ensure(depends=("b",)), "restarted")
        self.assertEqual(self.asked, ["restart"])
        self.assertEqual(self.ensure(text="[Service]\nNice=5\n", depends=("b",)), "restarted")
        self.assertEqual(self.asked, ["daemon-reload", "restart"])

    def test_one_that_ended_is_started_again(self):
        self.ensure()
        self.running.clear()
        self.assertEqual(self.ensure(), "started")

    def test_an_absent_one_is_stopped_and_its_file_removed(self):
        self.ensure()
        self.assertTrue(service.absent("wiki"))
        self.assertEqual(self.running, set())
        self.assertFalse(service.absent("wiki"))
        self.assertEqual(self.ensure(), "started")


class Waiting(unittest.TestCase):
    def test_waiting_ends_with_the_first_yes_or_with_the_time(self):
        answers = iter([False, False, True])
        self.assertTrue(service.wait_for(lambda: next(answers), 5, interval=0))
        self.assertFalse(service.wait_for(lambda: False, 0, interval=0))

    def test_a_machine_without_a_supervisor_blocks(self):
        with mock.patch.object(service.os.path, "isdir", lambda _: False):
            with mock.patch.object(service.tools, "which", lambda _: "/usr/bin/systemctl"):
                with self.assertRaises(charm.Blocked):
                    service.require_supervisor()
            with mock.patch.object(service.tools, "which", lambda _: "/var/lib/tools/systemctl"):
                service.require_supervisor()


if __name__ == "__main__":
    unittest.main()

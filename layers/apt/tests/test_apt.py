"""Packages and Java, with a package database of our own and no package manager."""

import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

LAYERS = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(LAYERS / "base/lib")]
import muster_layers  # noqa: E402

muster_layers.__path__ += [str(LAYERS / name / "lib/muster_layers") for name in ("apt", "java")]

from muster_charm import charm, options, process, state, status, tools  # noqa: E402
from muster_layers import apt, java  # noqa: E402


class Packages(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = kept.name
        self.asked = []
        self.known = {"curl", "openjdk-17-jre-headless"}
        self.config = {}
        state.load(self.folder)
        for target, name, value in (
            (apt, "_INFO", self.folder),
            (apt, "_hold_services", lambda: None),
            (apt, "_install", self.install),
            (process, "run", lambda *_, **__: mock.Mock(returncode=0, stdout="installed\n")),
            (options, "of", lambda layer: {"packages": ["curl"]} if layer == "apt" else {}),
            (tools, "config", lambda: self.config),
            (status, "maintenance", lambda _: None),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def install(self, packages):
        self.asked.append(packages)
        unknown = [name for name in packages if name not in self.known]
        if unknown:
            raise process.CommandError(f"E: Unable to locate package {unknown[0]}")
        for name in packages:
            home = "/usr/lib/jvm/java-17-openjdk-amd64"
            Path(self.folder, f"{name}:amd64.list").write_text(f"/.\n{home}/bin/java\n", encoding="utf-8")

    def test_all_that_layers_want_is_installed_in_one_run_and_only_once(self):
        apt.listed()
        java.installed()
        self.assertEqual(self.asked, [["curl", "openjdk-17-jre-headless"]])
        self.assertTrue(state.is_set("apt.installed.curl"))
        apt.listed()
        self.assertEqual(len(self.asked), 1)
        self.assertEqual(java.home(), "/usr/lib/jvm/java-17-openjdk-amd64")

    def test_a_wrong_java_package_blocks_and_the_rest_is_installed(self):
        self.config["java-package"] = "openjdk-99-jre"
        apt.listed()
        self.assertTrue(apt.installed("curl"))
        with self.assertRaises(charm.Blocked) as caught:
            java.installed()
        self.assertIn("'openjdk-99-jre'", str(caught.exception))

    def test_a_package_that_was_taken_away_is_installed_again(self):
        apt.ensure(["curl"])
        os.unlink(f"{self.folder}/curl:amd64.list")
        self.assertTrue(apt.ensure(["curl"]))

    def test_java_is_where_its_package_put_it(self):
        self.assertIsNone(java.home_in_list(["/usr/bin/java", "/bin/java"]))
        self.assertEqual(java.home_in_list(["/usr/lib/jvm/x/bin/java"]), "/usr/lib/jvm/x")


if __name__ == "__main__":
    unittest.main()

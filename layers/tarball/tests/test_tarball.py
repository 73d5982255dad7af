"""Unpacking resources, with archives made here and the agent's tools replaced by functions."""

import os
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

LAYERS = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(LAYERS / "base/lib")]
import muster_layers  # noqa: E402

muster_layers.__path__.append(str(LAYERS / "tarball/lib/muster_layers"))

from muster_charm import charm, state, tools  # noqa: E402
from muster_layers import tarball  # noqa: E402


class Unpacking(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = kept.name
        self.home = f"{self.folder}/opt/spark"
        self.attached = None
        self.hook = "install"
        state.load(self.folder)
        for name, value in {
            "resource_get": lambda _: self.attached,
            "hook_name": lambda: self.hook,
            "available": lambda _: False,
            "status_set": lambda *_: None,
        }.items():
            patch = mock.patch.object(tools, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def archive(self, name, files):
        path = f"{self.folder}/{name}"
        with tarfile.open(path, "w:gz") as made:
            for inner, text in files.items():
                source = Path(self.folder, "source")
                source.write_text(text, encoding="utf-8")
                made.add(source, arcname=inner)
        return path

    def test_a_required_resource_that_is_missing_blocks(self):
        with self.assertRaises(charm.Blocked) as caught:
            tarball.ensure("spark-tarball", self.home)
        self.assertIn("waiting for spark-tarball", str(caught.exception))

    def test_an_optional_resource_may_be_missing_or_empty(self):
        self.assertIsNone(tarball.ensure("jars", self.home, required=False))
        self.attached = f"{self.folder}/empty.tgz"
        Path(self.attached).touch()
        self.assertIsNone(tarball.ensure("jars", self.home, required=False))

    def test_home_is_a_link_to_the_tree_and_goes_over_in_one_step(self):
        self.attached = self.archive("one.tgz", {"spark-1/RELEASE": "one"})
        first = tarball.ensure("spark-tarball", self.home)
        self.assertTrue(first.changed)
        self.assertEqual(Path(self.home, "RELEASE").read_text(encoding="utf-8"), "one")
        self.assertEqual(os.readlink(self.home), f"spark-{first.digest[:16]}")
        self.assertFalse(tarball.ensure("spark-tarball", self.home).changed)

        self.attached = self.archive("two.tgz", {"spark-2/RELEASE": "two"})
        second = tarball.ensure("spark-tarball", self.home)
        self.assertTrue(second.changed)
        self.assertEqual(Path(self.home, "RELEASE").read_text(encoding="utf-8"), "two")
        self.assertEqual(len(os.listdir(os.path.dirname(self.home))), 3)
        tarball.prune(self.home)
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.home))), ["spark", os.readlink(self.home)])

    def test_the_resource_is_looked_at_only_in_hooks_that_can_bring_another(self):
        self.attached = self.archive("one.tgz", {"spark-1/RELEASE": "one"})
        tarball.ensure("spark-tarball", self.home)
        self.attached, self.hook = None, "update-status"
        self.assertIsNotNone(tarball.ensure("spark-tarball", self.home))
        self.hook = "upgrade-charm"
        with self.assertRaises(charm.Blocked):
            tarball.ensure("spark-tarball", self.home)

    def test_an_optional_resource_that_goes_takes_its_tree_along(self):
        self.attached = self.archive("one.tgz", {"a.jar": "a"})
        self.assertIsNotNone(tarball.ensure("jars", self.home, strip=0, required=False))
        self.attached, self.hook = None, "upgrade-charm"
        self.assertIsNone(tarball.ensure("jars", self.home, strip=0, required=False))
        self.assertEqual(os.listdir(os.path.dirname(self.home)), [])

    def test_what_is_installed_stays_when_the_resource_cannot_be_fetched(self):
        self.attached = self.archive("one.tgz", {"a.jar": "a"})
        self.assertIsNotNone(tarball.ensure("jars", self.home, strip=0, required=False))
        self.hook = "upgrade-charm"
        full = tools.ToolError("resource-get", 1, "no space on disk")
        with mock.patch.object(tools, "resource_get", side_effect=full), self.assertRaises(tools.ToolError):
            tarball.ensure("jars", self.home, strip=0, required=False)
        self.assertEqual(Path(self.home, "a.jar").read_text(encoding="utf-8"), "a")

    def test_what_is_no_archive_blocks_and_leaves_nothing(self):
        self.attached = f"{self.folder}/text.tgz"
        Path(self.attached).write_text("not an archive", encoding="utf-8")
        with self.assertRaises(charm.Blocked) as caught:
            tarball.ensure("spark-tarball", self.home)
        self.assertIn("no tar archive", str(caught.exception))
        self.assertEqual(os.listdir(os.path.dirname(self.home)), [])

    def test_an_archive_without_anything_below_its_folder_blocks(self):
        self.attached = self.archive("flat.tgz", {"a.jar": "a"})
        with self.assertRaises(charm.Blocked) as caught:
            tarball.ensure("spark-tarball", self.home)
        self.assertIn("holds nothing", str(caught.exception))

    def test_what_an_interrupted_hook_left_is_begun_anew(self):
        self.attached = self.archive("one.tgz", {"spark-1/RELEASE": "one"})
        digest = tarball._digest(self.attached)
        os.makedirs(f"{self.home}-{digest[:16]}.part/half")
        tarball.ensure("spark-tarball", self.home)
        self.assertEqual(os.listdir(self.home), ["RELEASE"])

    def test_a_digest_in_the_path_is_taken_at_its_word(self):
        folder = f"{self.folder}/{'ab' * 32}"
        os.mkdir(folder)
        path = f"{folder}/spark.tgz"
        Path(path).write_text("x", encoding="utf-8")
        self.assertEqual(tarball._digest(path), "ab" * 32)


class TreeDigest(unittest.TestCase):
    def tree(self, **files):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        for name, text in files.items():
            Path(kept.name, name).write_text(text, encoding="utf-8")
        return kept.name

    def test_equal_trees_have_equal_digests_wherever_they_are(self):
        self.assertEqual(tarball.tree_digest(self.tree(a="1", b="2")), tarball.tree_digest(self.tree(b="2", a="1")))

    def test_content_names_and_being_a_program_all_count(self):
        plain, program = self.tree(a="1"), self.tree(a="1")
        os.chmod(f"{program}/a", 0o755)
        others = [self.tree(a="2"), self.tree(b="1"), self.tree(a="1", c=""), program]
        digests = {tarball.tree_digest(folder) for folder in [plain, *others]}
        self.assertEqual(len(digests), 5)


if __name__ == "__main__":
    unittest.main()

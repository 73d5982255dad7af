"""The base library, without an agent: hook tools are small scripts in a folder of their own."""

import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LAYER = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(LAYER / "lib"))

from muster_charm import charm, files, machine, main, options, state, status, tools, yaml  # noqa: E402

TOOL = """#!/usr/bin/env python3
import json, os, sys
name = os.path.basename(sys.argv[0])
folder = os.path.dirname(os.path.abspath(sys.argv[0]))
heard = "" if name != "relation-set" else sys.stdin.read()
with open(os.path.join(folder, "calls"), "a") as calls:
    calls.write(json.dumps([name, sys.argv[1:], heard]) + "\\n")
answers = json.load(open(os.path.join(folder, "answers.json")))
code, text = answers.get(name, [0, ""])
(sys.stderr if code else sys.stdout).write(text)
sys.exit(code)
"""


class Folder(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = kept.name
        self.me = {"owner": os.getuid(), "group": os.getgid()}


class Agent(Folder):
    """A folder of hook tools that answer what a test lays down, and write down how they were called."""

    def setUp(self):
        super().setUp()
        self.answers = {}
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        self.addCleanup(tools.forget)
        self.addCleanup(status.forget)
        tools.forget()
        status.forget()
        os.environ["PATH"] = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        os.environ["JUJU_UNIT_NAME"] = "wiki/0"

    def answer(self, tool, value=None, code=0, text=None):
        path = os.path.join(self.folder, tool)
        if not os.path.exists(path):
            Path(path).write_text(TOOL, encoding="utf-8")
            os.chmod(path, 0o755)
        self.answers[tool] = [code, text if text is not None else json.dumps(value)]
        Path(self.folder, "answers.json").write_text(json.dumps(self.answers), encoding="utf-8")

    def calls(self, tool):
        lines = Path(self.folder, "calls").read_text(encoding="utf-8").splitlines()
        return [call for call in map(json.loads, lines) if call[0] == tool]


class Tools(Agent):
    def test_config_is_asked_for_once(self):
        self.answer("config-get", {"port": 80})
        self.assertEqual(tools.config()["port"], 80)
        self.assertEqual(tools.config()["port"], 80)
        self.assertEqual(len(self.calls("config-get")), 1)

    def test_relation_values_travel_over_standard_input(self):
        self.answer("relation-set", text="")
        tools.relation_set("db:1", {"password": "hidden", "gone": None})
        (_, arguments, heard) = self.calls("relation-set")[0]
        self.assertEqual(arguments, ["-r", "db:1", "--file", "-"])
        self.assertEqual(json.loads(heard), {"password": "hidden", "gone": ""})

    def test_the_broken_relation_is_left_out(self):
        self.answer("relation-ids", ["db:1", "db:2"])
        os.environ.update(JUJU_HOOK_NAME="db-relation-broken", JUJU_RELATION_ID="db:1")
        self.assertEqual(tools.relation_ids("db"), ["db:2"])

    def test_storage_that_leaves_is_left_out_and_ids_are_in_number_order(self):
        self.answer("storage-list", ["data/10", "data/9", "data/2"])
        os.environ.update(JUJU_HOOK_NAME="data-storage-detaching", JUJU_STORAGE_ID="data/2")
        self.assertEqual(tools.storage_ids("data"), ["data/9", "data/10"])

    def test_storage_that_is_not_there_yet_is_none_and_other_errors_are_errors(self):
        self.answer("storage-get", code=2, text="invalid value")
        self.assertIsNone(tools.storage_get("data/0"))
        self.answer("storage-get", code=1, text="agent is gone")
        with self.assertRaises(tools.ToolError):
            tools.storage_get("data/0")

    def test_a_resource_that_is_not_attached_is_none_and_other_errors_are_errors(self):
        self.answer("resource-get", text="/r/spark.tgz")
        self.assertEqual(tools.resource_get("spark-tarball"), "/r/spark.tgz")
        self.answer("resource-get", code=1, text='ERROR could not download resource: resource "spark-tarball" not found')
        self.assertIsNone(tools.resource_get("spark-tarball"))
        self.answer("resource-get", code=1, text="ERROR could not download resource: no space on disk")
        with self.assertRaises(tools.ToolError) as caught:
            tools.resource_get("spark-tarball")
        self.assertIn("no space on disk", str(caught.exception))

    def test_an_error_carries_the_tools_words_and_not_its_arguments(self):
        self.answer("leader-get", {})
        self.answer("leader-set", code=1, text="not the leader")
        with self.assertRaises(tools.ToolError) as caught:
            tools.leader_set(key="hidden")
        self.assertIn("not the leader", str(caught.exception))
        self.assertNotIn("hidden", str(caught.exception))

    def test_leader_settings_that_are_equal_are_not_written(self):
        self.answer("leader-get", {"uri": "a"})
        self.answer("leader-set", text="")
        self.assertFalse(tools.leader_set(uri="a"))
        self.assertTrue(tools.leader_set(uri="b"))
        self.assertEqual(self.calls("leader-set")[0][1], ["uri=b"])

    def test_ports_are_opened_and_closed_to_the_wanted_set(self):
        self.answer("opened-ports", ["80/tcp", "81/tcp"])
        self.answer("open-port", text="")
        self.answer("close-port", text="")
        tools.ports(["81/tcp", "82/tcp"])
        self.assertEqual(self.calls("open-port")[0][1], ["82/tcp"])
        self.assertEqual(self.calls("close-port")[0][1], ["80/tcp"])


    def test_long_words_of_an_action_go_in_pieces(self):
        self.answer("action-log", text="")
        tools.action_log("é" * 200_000 + "\0")
        pieces = [arguments[1] for _, arguments, _ in self.calls("action-log")]
        self.assertEqual("".join(pieces), "é" * 200_000 + "\N{REPLACEMENT CHARACTER}")


class Status(Agent):
    def test_blocked_goes_before_waiting_before_active_and_the_first_is_kept(self):
        status.active("ready")
        self.assertEqual(status.said(), ("active", "ready"))
        status.waiting("for a")
        status.waiting("for b")
        self.assertEqual(status.said(), ("waiting", "for a"))
        status.blocked("no")
        self.assertEqual(status.said(), ("blocked", "no"))


class Handlers(unittest.TestCase):
    def test_a_star_stands_for_any_end_of_a_hooks_name(self):
        @charm.on("data-storage-*", "start")
        def handler():
            pass

        self.assertIn(handler, charm.handlers("data-storage-attached"))
        self.assertIn(handler, charm.handlers("start"))
        self.assertNotIn(handler, charm.handlers("started"))
        self.assertNotIn(handler, charm.handlers("database-storage-attached"))


CHARM = """
from muster_charm import charm, status, tools

@charm.on("install")
def prepare():
    print("prepare")

@charm.reconcile
def first():
    if tools.config().get("broken"):
        raise charm.Blocked("broken is set")
    print("first")

@charm.reconcile
def second():
    print("second")
    status.active("ready")

@charm.action("tell")
def tell():
    raise charm.ActionFailed("no")
"""


class Whole(Agent):
    """The entry point as an agent runs it: a process with the hook's environment."""

    def setUp(self):
        super().setUp()
        self.charm = os.path.join(self.folder, "charm")
        os.makedirs(f"{self.charm}/lib/muster_layers")
        os.makedirs(f"{self.charm}/bin")
        os.symlink(LAYER / "lib/muster_charm", f"{self.charm}/lib/muster_charm")
        Path(self.charm, "bin/muster-charm").write_text(
            (LAYER / "bin/muster-charm").read_text(encoding="utf-8"), encoding="utf-8"
        )
        Path(self.charm, "lib/muster_layers/__init__.py").touch()
        Path(self.charm, "lib/muster_layers/wiki.py").write_text(CHARM, encoding="utf-8")
        self.answer("config-get", {})
        self.answer("status-set", text="")
        self.answer("action-fail", text="")

    def hook(self, name="", **environment):
        done = subprocess.run(
            ["sh", str(LAYER / "hooks/hook.template")],
            env={**os.environ, "CHARM_DIR": self.charm, "JUJU_HOOK_NAME": name, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.split(), done.stderr

    def test_nothing_is_reconciled_before_install(self):
        self.assertEqual(self.hook("data-storage-attached"), (0, [], ""))
        self.assertEqual(self.hook("install"), (0, ["prepare", "first", "second"], ""))
        self.assertEqual(self.hook("config-changed"), (0, ["first", "second"], ""))

    def test_not_yet_ends_the_reconciling_and_sets_the_status(self):
        self.answer("config-get", {"broken": True})
        self.assertEqual(self.hook("install"), (0, ["prepare"], ""))
        self.assertEqual(self.calls("status-set")[-1][1], ["blocked", "broken is set"])

    def test_nothing_is_reconciled_after_stop(self):
        self.hook("install")
        self.assertEqual(self.hook("stop"), (0, [], ""))
        self.assertEqual(self.hook("cluster-relation-departed"), (0, [], ""))
        self.assertEqual(self.hook("start")[1], ["first", "second"])

    def test_a_tool_that_fails_fails_the_hook_in_one_line(self):
        self.answer("config-get", code=1, text="agent is gone")
        code, _, said = self.hook("install")
        self.assertEqual(code, 1)
        self.assertEqual(said, "ToolError: config-get failed with exit code 1: agent is gone\n")

    def test_an_action_that_fails_says_so(self):
        code, _, _ = self.hook(JUJU_ACTION_NAME="tell")
        self.assertEqual(code, 0)
        self.assertEqual(self.calls("action-fail")[0][1], ["--", "no"])

    def test_state_is_kept_between_hooks_and_closed_to_others(self):
        self.hook("install")
        kept = os.path.join(self.charm, ".muster-state.json")
        self.assertIn(main.INSTALLED, json.loads(Path(kept).read_text(encoding="utf-8"))["flags"])
        self.assertEqual(stat.S_IMODE(os.stat(kept).st_mode), 0o600)


class State(Folder):
    def test_flags_and_values_come_back(self):
        state.load(self.folder)
        state.set_flag("apt.installed.curl")
        self.assertTrue(state.put("port", 80))
        self.assertFalse(state.put("port", 80))
        state.save()
        state.clear_flag("apt.installed.curl")
        state.load(self.folder)
        self.assertEqual(state.flags("apt."), ["apt.installed.curl"])
        self.assertEqual(state.get("port"), 80)


class Files(Folder):
    def test_a_file_is_written_once_and_reports_each_difference(self):
        path = f"{self.folder}/conf"
        self.assertTrue(files.write(path, "a\n", mode=0o640, **self.me))
        self.assertFalse(files.write(path, "a\n", mode=0o640, **self.me))
        self.assertTrue(files.write(path, "a\n", mode=0o600, **self.me))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertTrue(files.write(path, "b\n", mode=0o600, **self.me))
        self.assertEqual(os.listdir(self.folder), ["conf"])

    def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(self):
        other = f"{self.folder}/other"
        Path(other).write_text("mine", encoding="utf-8")
        os.symlink(other, f"{self.folder}/conf")
        files.write(f"{self.folder}/conf", "new", **self.me)
        self.assertEqual(Path(other).read_text(encoding="utf-8"), "mine")
        self.assertFalse(os.path.islink(f"{self.folder}/conf"))

    def test_digests_tell_where_one_part_ends(self):
        self.assertNotEqual(files.digest("ab", "c"), files.digest("a", "bc"))


class Options(Folder):
    def test_options_are_read_again_only_when_the_charm_changed(self):
        path = Path(self.folder, "layer.yaml")
        state.load(self.folder)
        path.write_text("options:\n  apt:\n    packages: [a, b]\n", encoding="utf-8")
        self.assertEqual(options.of("apt", self.folder), {"packages": ["a", "b"]})
        fresh = Path(self.folder, "layer.new")
        fresh.write_text("options:\n  apt:\n    packages: [c]\n", encoding="utf-8")
        os.replace(fresh, path)
        self.assertEqual(options.of("apt", self.folder), {"packages": ["c"]})
        self.assertEqual(options.of("java", self.folder), {})


class Yaml(unittest.TestCase):
    def test_what_charm_files_use_is_read(self):
        text = """# comment
includes:
- layer:base
- "interface:x"
options:
  apt:
    packages: [a, "b c", {x: 1}]
    more:
      - name: z
        on: !!bool "false"
      - - 1
        - 2
  text: |
    hello
      there
  folded: >-
    a
    b
  empty:
"quoted": 'it''s'
url: http://x:1/y  # not the value
number: !!int "7"
"""
        found = yaml.load(text)
        self.assertEqual(found["includes"], ["layer:base", "interface:x"])
        self.assertEqual(found["options"]["apt"]["packages"], ["a", "b c", {"x": 1}])
        self.assertEqual(found["options"]["apt"]["more"], [{"name": "z", "on": False}, [1, 2]])
        self.assertEqual(found["options"]["text"], "hello\n  there\n")
        self.assertEqual(found["options"]["folded"], "a b")
        self.assertIsNone(found["options"]["empty"])
        self.assertEqual((found["quoted"], found["url"], found["number"]), ("it's", "http://x:1/y", 7))

    def test_what_is_not_understood_is_refused_with_its_line(self):
        for text in ("a: &x 1", "a: 1\nb: *x", "a: 1\na: 2", "a: [1", "\ta: 1", "a: 1\n---\nb: 2"):
            with self.assertRaises(yaml.YamlError, msg=text):
                yaml.load(text)

    def test_yes_and_no_are_words(self):
        self.assertEqual(yaml.load("a: yes\nb: true\nc: ~"), {"a": "yes", "b": True, "c": None})


class Machine(Folder):
    def put(self, path, text):
        full = Path(self.folder, path)
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text, encoding="ascii")
        return str(full)

    def test_memory_is_the_limit_where_there_is_one(self):
        meminfo = self.put("meminfo", "MemTotal:  4194304 kB\n")
        self.assertEqual(machine.memory_mib(self.folder, meminfo), 4096)
        self.put("memory.max", "max\n")
        self.assertEqual(machine.memory_mib(self.folder, meminfo), 4096)
        self.put("memory.max", str(1024 * 1024 * 1024))
        self.assertEqual(machine.memory_mib(self.folder, meminfo), 1024)

    def test_memory_of_the_older_kind_without_a_limit_is_a_huge_number(self):
        meminfo = self.put("meminfo", "MemTotal:  4194304 kB\n")
        self.put("memory/memory.limit_in_bytes", "9223372036854771712")
        self.assertEqual(machine.memory_mib(self.folder, meminfo), 4096)

    def test_limits_of_the_older_kind(self):
        meminfo = self.put("meminfo", "MemTotal:  4194304 kB\n")
        self.put("memory/memory.limit_in_bytes", str(512 * 1024 * 1024))
        self.assertEqual(machine.memory_mib(self.folder, meminfo), 512)
        self.put("cpu/cpu.cfs_period_us", "100000")
        self.put("cpu/cpu.cfs_quota_us", "100000")
        self.assertEqual(machine.cores(self.folder), 1)
        self.put("cpu/cpu.cfs_quota_us", "-1")
        self.assertEqual(machine.cores(self.folder), len(os.sched_getaffinity(0)))

    def test_a_quota_of_cores_is_rounded_up(self):
        self.put("cpu.max", "50000 100000")
        self.assertEqual(machine.cores(self.folder), 1)
        self.put("cpu.max", "max 100000")
        self.assertEqual(machine.cores(self.folder), len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    unittest.main()

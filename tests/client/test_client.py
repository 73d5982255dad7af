"""The published client library against the command: what its own integration tests ask for."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
import unittest

import jubilant

CHARMS = pathlib.Path(os.environ["MUSTER_CLIENT_CHARMS"])


class Alone(unittest.TestCase):
    """What needs no application."""

    def test_version(self):
        version = jubilant.Juju().version()
        self.assertEqual((version.major, version.minor), (3, 6))

    def test_a_model_comes_and_goes(self):
        with jubilant.temp_model() as juju:
            self.assertTrue(juju.model.startswith("jubilant-"))
            status = juju.status()
            self.assertEqual(status.model.name, juju.model)
            self.assertEqual((status.apps, status.machines), ({}, {}))
            name = juju.model
        with self.assertRaises(jubilant.CLIError) as caught:
            jubilant.Juju(model=name).status()
        self.assertIn("not found", str(caught.exception))

    def test_a_name_is_taken_once(self):
        with jubilant.temp_model() as juju:
            with self.assertRaises(jubilant.CLIError) as caught:
                juju.add_model(juju.model)
            self.assertIn("already exists", caught.exception.stderr)

    def test_three_spellings_of_a_model(self):
        with jubilant.temp_model() as juju:
            info = juju.show_model()
            self.assertEqual(info.short_name, juju.model)
            self.assertEqual(info.controller_name, "client")
            for model in (
                juju.model,
                f"client:{juju.model}",
                f"client:{info.name}",
            ):
                self.assertEqual(juju.show_model(model).model_uuid, info.model_uuid)

    def test_clouds(self):
        juju = jubilant.Juju()
        definition = {
            "type": "openstack",
            "auth-types": ["userpass"],
            "regions": {"north": {"endpoint": "https://north.example.com"}},
        }
        for name, where, flags in (
            ("mine", {"client": True}, ["--client"]),
            ("theirs", {"controller": "client"}, ["--controller", "client"]),
        ):
            juju.add_cloud(name, {"clouds": {name: definition}}, **where)
            self.assertIn("https://north.example.com", juju.cli("show-cloud", *flags, name))
            changed = {**definition, "regions": {"south": {"endpoint": "https://south.example.com"}}}
            juju.update_cloud(name, {"clouds": {name: changed}}, **where)
            self.assertIn("https://south.example.com", juju.cli("show-cloud", *flags, name))
            juju.cli("remove-cloud", *flags, name)
            with self.assertRaises(jubilant.CLIError):
                juju.cli("show-cloud", *flags, name)

    def test_credentials(self):
        juju = jubilant.Juju()
        one = {"auth-type": "access-key", "access-key": "AKIA", "secret-key": "s3cret"}
        juju.add_credential("aws", {"credentials": {"aws": {"cred1": one}}}, client=True)
        text = juju.cli("credentials", "--format", "json")
        found = json.loads(text)["client-credentials"]["aws"]["cloud-credentials"]["cred1"]
        self.assertEqual(found["details"]["access-key"], "AKIA")
        self.assertNotIn("s3cret", text)
        juju.cli("remove-credential", "aws", "cred1", "--client")

    def test_an_unknown_cloud_is_refused(self):
        with self.assertRaises(jubilant.CLIError):
            jubilant.Juju().add_model("nowhere", "aws")

    def test_model_config_and_constraints(self):
        with jubilant.temp_model() as juju:
            self.assertTrue(juju.model_config()["automatically-retry-hooks"])
            for interval in ("10s", "5m"):
                juju.model_config({"update-status-hook-interval": interval})
                self.assertEqual(juju.model_config()["update-status-hook-interval"], interval)
            juju.model_config({"automatically-retry-hooks": False})
            self.assertFalse(juju.model_config()["automatically-retry-hooks"])
            juju.model_config(reset="automatically-retry-hooks,update-status-hook-interval")
            self.assertTrue(juju.model_config()["automatically-retry-hooks"])
            self.assertEqual(juju.model_constraints(), {})
            juju.model_constraints({"mem": "1G", "cores": 4})
            self.assertEqual(juju.model_constraints(), {"mem": 1024, "cores": 4})


class Deployed(unittest.TestCase):
    """Two applications on machines of their own; the tests run in the order of their names."""

    stack = contextlib.ExitStack()

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.juju = cls.stack.enter_context(jubilant.temp_model())
        cls.juju.wait_timeout = 600
        cls.folder = pathlib.Path(cls.stack.enter_context(tempfile.TemporaryDirectory()))
        cls.file = cls.folder / "test.txt"
        cls.file.write_text("resource 1\n")
        cls.juju.deploy(
            CHARMS / "testdb",
            config={"testoption": "first", "count": 7},
            resources={"test-file": str(cls.file)},
        )
        # A caller looks at units as soon as deploy has returned.
        assert "testdb/0" in cls.juju.status().apps["testdb"].units
        cls.juju.deploy(CHARMS / "testapp", app="testapp")
        cls.juju.wait(jubilant.all_active)

    def test_10_status(self):
        status = self.juju.status()
        app = status.apps["testdb"]
        self.assertEqual((app.charm, app.charm_origin, app.charm_rev), ("local:testdb-0", "local", 0))
        unit = app.units["testdb/0"]
        self.assertTrue(unit.is_active and unit.leader)
        self.assertEqual(unit.juju_status.current, "idle")
        self.assertEqual(unit.open_ports, ["5432/tcp"])
        self.assertEqual(unit.address, unit.public_address)
        self.assertEqual(app.version, "1.0")
        machine = status.machines[unit.machine]
        self.assertEqual(machine.juju_status.current, "started")
        self.assertEqual(machine.machine_status.current, "running")
        self.assertIn(unit.public_address, machine.ip_addresses)
        self.assertIn("cores=", machine.hardware)

    def test_11_config_and_trust(self):
        config = self.juju.config("testdb")
        self.assertEqual(config, {"testoption": "first", "count": 7, "ratio": 0.5, "loud": False})
        values = {"testoption": "", "count": 8, "ratio": 0.25, "loud": True}
        self.juju.config("testdb", values)
        self.assertEqual(self.juju.config("testdb"), values)
        self.juju.config("testdb", {"testoption": "foobar"}, reset=["count", "loud"])
        config = self.juju.config("testdb")
        self.assertEqual((config["testoption"], config["count"], config["loud"]), ("foobar", 3, False))
        self.assertIs(self.juju.config("testdb", app_config=True)["trust"], False)
        self.juju.trust("testdb", scope="cluster")
        self.assertIs(self.juju.config("testdb", app_config=True)["trust"], True)
        self.juju.trust("testdb", remove=True)
        self.assertIs(self.juju.config("testdb", app_config=True)["trust"], False)

    def test_20_integrate_and_show_unit(self):
        self.juju.integrate("testdb", "testapp")
        status = self.juju.wait(
            lambda status: jubilant.all_active(status)
            and status.apps["testapp"].app_status.message == "relation changed: dbkey=dbvalue"
        )
        relation = status.apps["testdb"].relations["db"][0]
        self.assertEqual((relation.related_app, relation.interface), ("testapp", "dbi"))
        self.assertEqual(status.apps["testdb"].app_status.message, "relation created")
        unit = self.juju.show_unit("testapp/0")
        self.assertEqual((unit.charm, unit.life, unit.leader), ("local:testapp-0", "alive", True))
        info = unit.relation_info[0]
        self.assertEqual((info.endpoint, info.related_endpoint), ("db", "db"))
        self.assertEqual(info.app_data, {"dbkey": "dbvalue"})
        other = info.related_units["testdb/0"]
        self.assertTrue(other.in_scope)
        self.assertEqual(other.data["unitkey"], "testdb/0")
        endpoints = {info.endpoint for info in self.juju.show_unit("testdb/0").relation_info}
        self.assertEqual(endpoints, {"db", "replicas"})

    def test_30_run(self):
        self.juju.config("testdb", {"testoption": "foobar"})
        self.juju.wait(jubilant.all_agents_idle)
        task = self.juju.run("testdb/0", "do-thing", {"param1": 2, "other": "x"})
        self.assertTrue(task.success)
        self.assertEqual(task.return_code, 0)
        self.assertEqual(
            task.results, {"config": {"testoption": "foobar"}, "params": {"param1": "2"}}
        )
        self.assertIn("doing the thing", task.log[0])
        self.assertEqual(self.juju.run("testdb/leader", "do-thing").status, "completed")
        with self.assertRaises(jubilant.TaskError) as caught:
            self.juju.run("testdb/0", "do-thing", {"error": "ERR"})
        task = caught.exception.task
        self.assertEqual((task.status, task.return_code), ("failed", 0))
        self.assertEqual(task.message, "failed with error: ERR")
        with self.assertRaises(jubilant.TaskError) as caught:
            self.juju.run("testdb/0", "do-thing", {"exception": "EXC"})
        task = caught.exception.task
        self.assertEqual((task.status, task.return_code), ("failed", 1))
        self.assertIn("EXC", task.stderr)
        with self.assertRaises(TimeoutError):
            self.juju.run("testdb/0", "do-thing", wait=0.001)
        for unit, action in (("testdb/0", "not-exist"), ("testdb/42", "do-thing")):
            with self.assertRaises(ValueError):
                self.juju.run(unit, action)

    def test_31_exec(self):
        task = self.juju.exec("echo foo", unit="testdb/0")
        self.assertEqual((task.stdout, task.stderr, task.return_code), ("foo\n", "", 0))
        task = self.juju.exec("echo", "bar", "baz", unit="testdb/0")
        self.assertEqual(task.stdout, "bar baz\n")
        with self.assertRaises(jubilant.TaskError) as caught:
            self.juju.exec("sleep x", unit="testdb/0")
        self.assertNotEqual(caught.exception.task.return_code, 0)
        self.assertIn("invalid time", caught.exception.task.stderr)
        with self.assertRaises(TimeoutError):
            self.juju.exec("sleep 60", unit="testdb/0", wait=0.001)
        with self.assertRaises(ValueError):
            self.juju.exec("echo foo", unit="testdb/42")
        machine = self.juju.status().apps["testapp"].units["testapp/0"].machine
        self.assertEqual(self.juju.exec("echo foo", machine=int(machine)).stdout, "foo\n")

    def test_32_ssh(self):
        self.assertEqual(self.juju.ssh("testdb/0", "echo", "UNIT"), "UNIT\n")
        with self.assertRaises(jubilant.CLIError) as caught:
            self.juju.ssh("testdb/0", "exit", "7")
        self.assertEqual(caught.exception.returncode, 7)

    def test_40_resource_and_refresh(self):
        self.assertEqual(self.juju.run("testdb/0", "show-file").results["content"], "resource 1")
        charm = self.folder / "testdb"
        shutil.copytree(CHARMS / "testdb", charm)
        self.juju.refresh("testdb", path=charm)
        (charm / "version").write_text("2.0\n")
        other = self.folder / "other.txt"
        other.write_text("resource 2\n")
        self.juju.refresh("testdb", path=charm, resources={"test-file": str(other)})
        self.juju.wait(
            lambda status: status.apps["testdb"].version == "2.0"
            and status.apps["testdb"].charm_rev == 1
            and jubilant.all_active(status)
            and jubilant.all_agents_idle(status)
        )
        self.assertEqual(self.juju.run("testdb/0", "show-file").results["content"], "resource 2")

    def test_50_units(self):
        self.juju.add_unit("testapp", num_units=1)
        self.juju.wait(
            lambda status: len(status.apps["testapp"].units) == 2 and jubilant.all_active(status)
        )
        self.juju.remove_unit("testapp/1")
        self.juju.wait(lambda status: list(status.apps["testapp"].units) == ["testapp/0"])
        self.juju.add_unit("testapp")
        self.juju.wait(lambda status: len(status.apps["testapp"].units) == 2)
        self.juju.remove_unit("testapp", num_units=1)
        self.juju.wait(lambda status: list(status.apps["testapp"].units) == ["testapp/0"])

    def test_51_machine(self):
        before = set(self.juju.status().machines)
        self.juju.cli("add-machine")
        added = set(self.juju.status().machines) - before
        self.assertEqual(len(added), 1)
        self.juju.cli("remove-machine", "--no-prompt", *added)
        self.juju.wait(lambda status: set(status.machines) == before)

    def test_60_debug_log(self):
        self.assertEqual(len(self.juju.debug_log(limit=2).splitlines()), 2)
        log = self.juju.debug_log()
        for line in ("unit-testdb-0", "line one", "line three"):
            self.assertIn(line, log)

    def test_90_remove_relation_and_application(self):
        self.juju.remove_relation("testdb:db", "testapp:db")
        self.juju.wait(
            lambda status: not status.apps["testdb"].relations.get("db")
            and not status.apps["testapp"].relations.get("db")
        )
        self.juju.remove_application("testapp")
        self.juju.wait(lambda status: "testapp" not in status.apps)
        with self.assertRaises(jubilant.CLIError) as caught:
            self.juju.remove_application("testapp")
        self.assertIn("not found", caught.exception.stderr)


if __name__ == "__main__":
    unittest.main()

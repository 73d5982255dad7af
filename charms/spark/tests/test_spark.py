"""The charm's own decisions, with the layers laid together as a build does and the hook tools replaced."""

import importlib
import json
import os
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

CHARM = Path(__file__).resolve().parent.parent
LAYERS = CHARM.parent.parent / "layers"
NAMES = ("base", "apt", "java", "tarball", "service", "hadoop-base", "s3-client", "spark-base")
INTERFACES = ("spark", "spark-quorum", "s3", "http", "mysql")

sys.path[:0] = [str(LAYERS / name / "lib") for name in NAMES] + [str(CHARM / "lib")]
_kept = tempfile.TemporaryDirectory()
for _name in INTERFACES:
    os.makedirs(f"{_kept.name}/relations", exist_ok=True)
    os.symlink(LAYERS / f"interface-{_name}", f"{_kept.name}/relations/{_name}")
sys.path.insert(0, _kept.name)

import muster_layers  # noqa: E402

muster_layers.__path__ += [str(LAYERS / name / "lib/muster_layers") for name in NAMES[1:]]
muster_layers.__path__.append(str(CHARM / "lib/muster_layers"))

import spark_jobs  # noqa: E402
from muster_charm import charm, status, tools, yaml  # noqa: E402
from muster_layers import spark  # noqa: E402
from relations.mysql import requires as mysql  # noqa: E402
from relations.spark import provides as offers  # noqa: E402
from relations.spark import requires as masters  # noqa: E402

quorum = importlib.import_module("relations.spark-quorum.peers")
URI = "spark://10.0.0.1:7077"


class Model:
    """What the hook tools answer: one unit's view."""

    def __init__(self, case, unit="spark/0", leader=True, **config):
        self.unit, self.leader = unit, leader
        self.config = {"worker-on-master": "auto", **config}
        self.relations = {}
        self.settings = {}
        self.goal = {"units": {unit: {"status": "active"}}}
        for name, value in {
            "unit_name": lambda: self.unit,
            "is_leader": lambda: self.leader,
            "config": lambda: self.config,
            "ingress_address": lambda _: f"10.0.0.{int(self.unit[-1]) + 1}",
            "relation_ids": lambda endpoint: [i for i in self.relations if i.startswith(f"{endpoint}:")],
            "relation_list": lambda i: [name for name in self.relations[i]["units"] if name != self.unit],
            "relation_application": lambda i: self.relations[i]["application"],
            "relation_get": self._get,
            "relation_set": self._set,
            "leader_set": lambda **values: self.settings.update(values),
            "ask": lambda tool, *_: self.goal if tool == "goal-state" else None,
            "hook_name": lambda: "config-changed",
            "status_set": lambda *_: None,
        }.items():
            patch = mock.patch.object(tools, name, value)
            patch.start()
            case.addCleanup(patch.stop)

    def relate(self, name, application, bag=None, **units):
        self.relations[name] = {
            "application": application,
            "bags": {application: bag or {}},
            "units": {name.replace("_", "/"): values for name, values in units.items()},
        }

    def _get(self, relation, target, app=False):
        found = self.relations[relation]
        return found["bags"].get(target, {}) if app else found["units"].get(target, {})

    def _set(self, relation, values, app=False):
        found = self.relations[relation]
        bag = found["bags"].setdefault("spark", {}) if app else found["units"].setdefault(self.unit, {})
        bag.update(values)


class Roles(unittest.TestCase):
    def test_the_leader_announces_its_master_with_the_next_generation(self):
        model = Model(self)
        model.relate("cluster:0", "spark", {"master_uri": "spark://10.0.0.9:7077", "generation": "4"}, spark_1={})
        cluster = spark.Cluster("standalone")
        self.assertEqual(model.relations["cluster:0"]["bags"]["spark"], {"master_uri": URI, "generation": "5"})
        self.assertEqual((cluster.uri, cluster.generation), (URI, 5))
        self.assertEqual(model.settings, {"master_uri": URI, "master_ip": "10.0.0.1"})
        spark.Cluster("standalone")
        self.assertEqual(model.relations["cluster:0"]["bags"]["spark"]["generation"], "5")

    def test_each_start_of_the_master_is_told_to_workers(self):
        self.assertEqual(quorum.begun({}), {"master-starts": "1"})
        self.assertEqual(quorum.begun({"master-starts": "7", "generation": "2"}), {"master-starts": "8"})

    def test_others_follow_what_was_announced(self):
        model = Model(self, unit="spark/1", leader=False)
        model.relate("cluster:0", "spark", {"master_uri": URI, "generation": "2"}, spark_0={})
        cluster = spark.Cluster("standalone")
        self.assertEqual((cluster.uri, cluster.generation, cluster.leads), (URI, 2, False))
        self.assertTrue(cluster.works())

    def test_a_unit_that_led_does_not_follow_its_own_old_master(self):
        model = Model(self, leader=False)
        model.relate("cluster:0", "spark", {"master_uri": URI, "generation": "2"}, spark_1={})
        self.assertIsNone(spark.Cluster("standalone").uri)

    def test_a_follower_without_a_master_waits_for_one(self):
        model = Model(self, unit="spark/1", leader=False)
        model.relate("cluster:0", "spark", {}, spark_0={})
        self.assertIsNone(spark.Cluster("standalone").uri)

    def test_a_single_unit_is_both_and_several_are_not(self):
        model = Model(self)
        model.relate("cluster:0", "spark")
        self.assertTrue(spark.Cluster("standalone").works())
        # A unit that is still on its way stands in the goal only.
        model.goal = {"units": {"spark/0": {"status": "active"}, "spark/1": {"status": "waiting"}}}
        self.assertFalse(spark.Cluster("standalone").works())
        model.goal["units"]["spark/1"]["status"] = "dying"
        self.assertTrue(spark.Cluster("standalone").works())
        model.relations["cluster:0"]["units"]["spark/2"] = {}
        self.assertFalse(spark.Cluster("standalone").works())

    def test_a_unit_that_was_alone_works_until_another_can_take_over(self):
        model = Model(self)
        with tempfile.TemporaryDirectory() as units, mock.patch.object(spark.service, "UNITS", units):
            Path(units, "spark-worker.service").touch()
            model.relate("cluster:0", "spark", spark_1=quorum.member("worker", "10.0.0.2", False))
            self.assertTrue(spark.Cluster("standalone").works())
            model.relations["cluster:0"]["units"]["spark/1"] = quorum.member("worker", "10.0.0.2", True)
            self.assertFalse(spark.Cluster("standalone").works())

    def test_the_operator_may_say_who_works(self):
        model = Model(self)
        model.relate("cluster:0", "spark", spark_1={})
        model.config["worker-on-master"] = "always"
        self.assertTrue(spark.Cluster("standalone").works())
        model.config["worker-on-master"] = "never"
        self.assertFalse(spark.Cluster("standalone").works())
        model.config["worker-on-master"] = "perhaps"
        with self.assertRaises(charm.Blocked) as caught:
            spark.Cluster("standalone").works()
        self.assertIn("'perhaps'", str(caught.exception))

    def test_another_applications_master_is_joined_and_none_is_started(self):
        model = Model(self)
        model.relate("cluster:0", "spark")
        model.relate("spark-worker:1", "big", big_0=offers.offer("spark://10.0.9.9:7077", "10.0.9.9"))
        cluster = spark.Cluster("standalone")
        self.assertEqual((cluster.uri, cluster.leads, cluster.works()), ("spark://10.0.9.9:7077", False, True))
        self.assertEqual(model.relations["cluster:0"]["bags"]["spark"], {})


class Gates(unittest.TestCase):
    def setUp(self):
        self.addCleanup(status.forget)
        status.forget()

    def test_an_object_store_without_its_library_blocks(self):
        Model(self)
        known = {"aws": None, "client": "3.3.4", "problems": []}
        store = {"endpoint": "https://gw", "tls": True}
        with mock.patch.object(spark.spark_base, "libraries", lambda: known):
            with self.assertRaises(charm.Blocked) as caught:
                spark._s3a(store)
        self.assertIn("extra-jars", str(caught.exception))

    def test_a_mismatch_blocks_until_the_operator_allows_it(self):
        model = Model(self)
        problem = "hadoop-aws 3.3.1 does not match the Hadoop client 3.3.4 of spark-tarball"
        with mock.patch.object(spark.spark_base, "libraries", lambda: {"problems": [problem]}):
            with self.assertRaises(charm.Blocked) as caught:
                spark.spark_base.require_alignment()
            self.assertIn(problem, str(caught.exception))
            model.config["allow-mismatched-hadoop"] = True
            spark.spark_base.require_alignment()

    def test_what_is_related_but_has_not_answered_is_waited_for(self):
        model = Model(self)
        model.relate("database:1", "mariadb")
        status.active("ready")
        spark._say_what_is_missing({"endpoint": "x"}, None)
        self.assertEqual(status.said(), ("waiting", "waiting for database"))


class Interfaces(unittest.TestCase):
    def test_every_reader_finds_the_master(self):
        bag = offers.offer(URI, "10.0.0.1")
        for key in ("connection_string", "master", "master_uri", "master-uri"):
            self.assertEqual(masters.master_uri({"spark/0": {key: bag[key]}}), URI, key)
        self.assertEqual(json.loads(bag["master_uri"]), URI)
        self.assertIsNone(masters.master_uri({"spark/0": {"master": "yarn-client"}, "spark/1": {}}))
        self.assertEqual(set(offers.nothing().values()), {None})

    def test_workers_that_are_ready_are_counted(self):
        units = {"spark/0": quorum.member("master", "a", False), "spark/1": quorum.member("worker", "b", True)}
        self.assertEqual(quorum.ready_workers(units), ["spark/1"])

    def test_an_account_needs_all_its_parts_but_the_port(self):
        bag = {"host": "h", "user": "u", "password": "p", "database": "d"}
        self.assertEqual(mysql.account({"m/0": {}, "m/1": bag})["port"], 3306)
        for key in bag:
            self.assertIsNone(mysql.account({"m/0": {k: v for k, v in bag.items() if k != key}}))


class Jobs(unittest.TestCase):
    def test_a_shipped_application_goes_by_its_name(self):
        job = spark_jobs._named("word-count", "--a 'b c'", {"options": "--conf x=1"})
        self.assertEqual(
            job.command(),
            ["/opt/spark/bin/spark-submit", "--conf", "x=1", "/var/lib/spark/apps.d/word_count.py", "--a", "b c"],
        )

    def test_a_class_and_an_address_are_passed_on(self):
        job = spark_jobs._named("s3a://b/x.jar", "", {"class": "org.x.Main"})
        self.assertEqual(job.command()[1:], ["--class", "org.x.Main", "s3a://b/x.jar"])

    def test_an_unknown_application_is_named_with_the_known_ones(self):
        with self.assertRaises(charm.ActionFailed) as caught:
            spark_jobs._named("word-cont", "", {})
        self.assertIn("'word-cont'", str(caught.exception))
        self.assertIn("word-count", str(caught.exception))

    def test_arguments_that_are_not_closed_are_the_operators_error(self):
        with self.assertRaises(charm.ActionFailed):
            spark_jobs._named("word-count", "'a", {})

    def test_the_application_is_recognised_in_the_drivers_words(self):
        line = "INFO StandaloneSchedulerBackend: Connected to Spark cluster with app ID app-20261121070433-0003"
        self.assertEqual(spark_jobs._APPLICATION.search(line)[0], "app-20261121070433-0003")

    def test_the_reason_is_javas_where_python_only_passes_it_on(self):
        text = """Traceback (most recent call last):
  File "x.py", line 1, in <module>
py4j.protocol.Py4JJavaError: An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.
: org.apache.hadoop.mapred.InvalidInputException: Input Pattern s3a://words/nothing/* matches 0 files
\tat org.apache.hadoop.mapred.FileInputFormat.singleThreadedListStatus(FileInputFormat.java:304)
26/11/21 07:31:15 INFO SparkContext: Invoking stop() from shutdown hook"""
        self.assertEqual(
            spark_jobs.why(text),
            "org.apache.hadoop.mapred.InvalidInputException: Input Pattern s3a://words/nothing/* matches 0 files",
        )
        self.assertEqual(spark_jobs.why("  File x\nNameError: name 'x' is not defined"), "NameError: name 'x' is not defined")
        self.assertEqual(spark_jobs.why("26/11/21 INFO Errors: none"), "")

    def test_every_shipped_application_is_there(self):
        for name in spark_jobs._SHIPPED.values():
            self.assertTrue((CHARM / "apps" / name).is_file(), name)

    def test_every_action_has_its_file_and_its_handler(self):
        for name in yaml.load((CHARM / "actions.yaml").read_text(encoding="utf-8")):
            self.assertTrue(os.access(CHARM / "actions" / name, os.X_OK), name)
            self.assertIsNotNone(charm.action_handler(name), name)

    def test_a_drivers_words_come_in_whole_lines_and_all_of_them(self):
        import subprocess

        script = "printf 'a\\nb'; printf ' c\\n'; printf 'w\\n' >&2; printf last"
        driver = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        heard = {True: [], False: []}
        for is_output, lines in spark_jobs._chunks(driver, pause=0.05):
            heard[is_output] += lines
        self.assertEqual(driver.wait(), 0)
        driver.stdout.close()
        driver.stderr.close()
        self.assertEqual(heard, {True: [b"a", b"b c", b"last"], False: [b"w"]})


class Rows:
    """A stand-in for the collection of lines that Spark gives."""

    def __init__(self, rows):
        self.rows = rows

    def flatMap(self, function):  # noqa: N802  Spark's name
        return Rows([part for row in self.rows for part in function(row)])

    def count(self):
        return len(self.rows)


class WordCount(unittest.TestCase):
    def setUp(self):
        self.executed = []
        test = self

        class Cursor:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                return False

            def execute(self, statement, values=()):
                test.executed.append((statement, values))
                return 1 if statement.startswith("insert") else 0

        class Connection:
            committed = False

            def cursor(self):
                return Cursor()

            def commit(self):
                test.executed.append(("commit", ()))

            def close(self):
                test.executed.append(("close", ()))

        def connect(**account):
            self.account = account
            return Connection()

        builder = types.SimpleNamespace(appName=lambda _: builder, getOrCreate=lambda: session)
        context = types.SimpleNamespace(applicationId="app-1", textFile=lambda _: Rows(["a b", "", " c ", "d\te"]))
        session = types.SimpleNamespace(builder=builder, sparkContext=context, stop=lambda: None)
        modules = {
            "pyspark": types.ModuleType("pyspark"),
            "pyspark.sql": types.SimpleNamespace(SparkSession=session),
            "pymysql": types.SimpleNamespace(connect=connect),
        }
        patch = mock.patch.dict(sys.modules, modules)
        patch.start()
        self.addCleanup(patch.stop)
        sys.path.insert(0, str(CHARM / "apps"))
        self.addCleanup(sys.path.remove, str(CHARM / "apps"))
        self.app = importlib.import_module("word_count")
        importlib.reload(self.app)

    def run_app(self, **environment):
        with mock.patch.dict(os.environ, environment), mock.patch.object(sys, "argv", ["x", "--input", "s3a://b/*"]):
            with mock.patch("builtins.print"):
                self.app.main()

    def test_lines_are_split_at_single_blanks_and_all_parts_count(self):
        with tempfile.TemporaryDirectory() as folder:
            result = f"{folder}/result"
            self.run_app(MUSTER_RESULT=result, MUSTER_DATABASE="")
            told = json.loads(Path(result).read_text(encoding="utf-8"))
        # "a b" has two parts, "" one, " c " three, "d\te" one.
        self.assertEqual((told["count"], told["rows"], told["application-id"]), (7, 0, "app-1"))

    def test_the_count_is_inserted_and_committed(self):
        with tempfile.TemporaryDirectory() as folder:
            account = {"host": "h", "port": 3306, "user": "u", "password": "p", "database": "test"}
            Path(folder, "db.json").write_text(json.dumps(account), encoding="utf-8")
            self.run_app(MUSTER_DATABASE=f"{folder}/db.json", MUSTER_RESULT=f"{folder}/result")
            told = json.loads(Path(folder, "result").read_text(encoding="utf-8"))
        self.assertEqual(told["rows"], 1)
        self.assertEqual(self.account["password"], "p")
        self.assertIn("create table if not exists data", self.executed[0][0])
        self.assertEqual(self.executed[1], ("insert into data (value, created) values (%s, now())", (7,)))
        self.assertEqual([what for what, _ in self.executed[2:]], ["commit", "close"])


if __name__ == "__main__":
    unittest.main()

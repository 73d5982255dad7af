"""Spark's settings, and which of them a daemon must be restarted for."""

import socket
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from muster_spark import pages, settings  # noqa: E402


def unit(**config):
    made = settings.Unit(
        config=config, address="10.0.0.1", java_home="/java", machine_mib=8192, cores=4,
        workspace="/workspace/apps", caches=["/cache/0/local", "/cache/1/local"], master="spark://10.0.0.1:7077",
    )  # fmt: skip
    made.s3a = {"fs.s3a.secret.key": "hidden"}
    return made


def touches(kind, made):
    return settings.touches(kind, made, settings.environment(made, "/etc/hadoop/conf"))


class Sizes(unittest.TestCase):
    def test_sizes_are_read_in_mebibytes_and_as_shares(self):
        for text, size in (("512m", 512), ("1g", 1024), ("2G", 2048), ("1 gb", 1024), ("25%", 2048), ("2048k", 2)):
            self.assertEqual(settings.size_mib(text, 8192, "x"), size, text)

    def test_what_is_no_size_is_named_with_its_option(self):
        for text in ("", "1", "g", "0m", "-1g", "101%", "0%", "1k", "1.5g"):
            with self.assertRaises(settings.BadSetting, msg=text) as caught:
                settings.size_mib(text, 8192, "driver_memory")
            self.assertIn("driver_memory", str(caught.exception))

    def test_a_worker_offers_the_machine_less_a_gibibyte_or_what_is_set(self):
        self.assertEqual(settings.worker_mib(unit()), 7168)
        self.assertEqual(settings.worker_mib(unit(**{"worker-memory": "2g"})), 2048)
        self.assertEqual(settings.worker_cores(unit()), 4)
        self.assertEqual(settings.worker_cores(unit(**{"worker-cores": 2})), 2)
        with self.assertRaises(settings.BadSetting):
            settings.worker_cores(unit(**{"worker-cores": -1}))


class Folders(unittest.TestCase):
    def test_without_storage_they_are_on_the_machines_own_disk(self):
        self.assertEqual(settings.folders([], []), ("/var/lib/spark/apps", ["/var/lib/spark/local"]))

    def test_each_storage_may_have_several_volumes(self):
        workspace, scratch = settings.folders(["/w/0", "/w/1", "/w/2"], ["/c/0", "/c/1"])
        self.assertEqual(workspace, "/w/0/apps")
        self.assertEqual(scratch, ["/c/0/local", "/c/1/local", "/w/1/local", "/w/2/local"])


class Rendering(unittest.TestCase):
    def test_defaults_carry_the_units_own_address_and_the_object_store(self):
        found = settings.defaults(unit(executor_memory="25%"))
        self.assertEqual(found["spark.driver.host"], "10.0.0.1")
        self.assertEqual(found["spark.executor.memory"], "2048m")
        self.assertEqual(found["spark.local.dir"], "/cache/0/local,/cache/1/local")
        self.assertEqual(found["spark.hadoop.fs.s3a.secret.key"], "hidden")
        self.assertEqual(found["spark.eventLog.dir"], "file:///var/lib/spark/events")

    def test_own_lines_have_the_last_word(self):
        made = unit()
        made.extra = {"spark.executor.memory": "3g"}
        self.assertEqual(settings.defaults(made)["spark.executor.memory"], "3g")

    def test_cleaning_up_can_be_turned_off(self):
        self.assertEqual(settings.defaults(unit())["spark.worker.cleanup.appDataTtl"], 604800)
        found = settings.defaults(unit(**{"worker-cleanup-ttl": 0}))
        self.assertEqual(found["spark.worker.cleanup.enabled"], "false")
        self.assertNotIn("spark.worker.cleanup.appDataTtl", found)

    def test_trust_is_given_to_driver_and_executors(self):
        made = unit()
        self.assertNotIn("spark.executor.extraJavaOptions", settings.defaults(made))
        made.trust = True
        for side in ("driver", "executor"):
            self.assertIn("trustStore=/etc/spark/truststore", settings.defaults(made)[f"spark.{side}.extraJavaOptions"])

    def test_the_committer_of_the_cloud_library_is_set_only_with_it(self):
        made = unit()
        self.assertNotIn("spark.sql.sources.commitProtocolClass", settings.defaults(made))
        made.cloud_committer = True
        self.assertIn("spark.sql.sources.commitProtocolClass", settings.defaults(made))

    def test_variables_are_quoted_for_the_shell(self):
        self.assertIn("export A='b c; $(d)'\n", settings.env_text({"A": "b c; $(d)"}))

    def test_no_command_line_holds_a_key(self):
        for kind in ("master", "worker", "history"):
            self.assertNotIn("hidden", " ".join(map(str, settings.command(kind, unit()))))


class Touches(unittest.TestCase):
    def test_what_only_jobs_read_restarts_nothing(self):
        before, after = unit(), unit(executor_memory="2g", driver_memory="2g")
        after.s3a = {"fs.s3a.secret.key": "other"}
        after.trust = True
        after.extra = {"spark.sql.shuffle.partitions": "7"}
        for kind in ("master", "worker", "history"):
            self.assertEqual(touches(kind, before), touches(kind, after), kind)

    def test_a_workers_size_and_folders_restart_the_worker_alone(self):
        for change in ({"worker-cores": 2}, {"worker-memory": "2g"}, {"worker-cleanup-ttl": 5}):
            self.assertNotEqual(touches("worker", unit()), touches("worker", unit(**change)), change)
            self.assertEqual(touches("master", unit()), touches("master", unit(**change)), change)
        fewer = unit()
        fewer.caches = fewer.caches[:1]
        self.assertNotEqual(touches("worker", unit()), touches("worker", fewer))

    def test_libraries_restart_the_worker_that_hands_them_on(self):
        after = unit()
        after.class_path = ["/opt/spark-extra-jars/*"]
        self.assertNotEqual(touches("worker", unit()), touches("worker", after))
        self.assertEqual(touches("master", unit()), touches("master", after))

    def test_event_logs_on_the_object_store_touch_the_history_server(self):
        before, after = unit(), unit()
        before.events = after.events = "s3a://logs/x"
        after.s3a = {"fs.s3a.secret.key": "other"}
        self.assertNotEqual(touches("history", before), touches("history", after))

    def test_a_variable_of_the_operator_restarts_all(self):
        after = unit()
        after.extra_env = {"SPARK_MASTER_OPTS": "-Dx=1"}
        for kind in ("master", "worker", "history"):
            self.assertNotEqual(touches(kind, unit()), touches(kind, after), kind)


MASTER = {
    "workers": [{"host": "10.0.0.2", "state": "ALIVE"}, {"host": "10.0.0.3", "state": "DEAD"}],
    "activeapps": [{"id": "app-2", "name": "b", "state": "RUNNING", "user": "spark", "duration": 1500}],
    "completedapps": [{"id": "app-1", "name": "a", "state": "FINISHED", "user": "spark", "duration": 61000}],
}


class Pages(unittest.TestCase):
    def test_only_workers_that_live_count(self):
        self.assertTrue(pages.is_registered(MASTER, "10.0.0.2"))
        self.assertFalse(pages.is_registered(MASTER, "10.0.0.3"))

    def test_jobs_are_listed_newest_first(self):
        self.assertEqual(
            pages.jobs(MASTER), [("app-2", "b", "RUNNING", "spark", 1), ("app-1", "a", "FINISHED", "spark", 61)]
        )

    def test_the_host_of_a_masters_address(self):
        self.assertEqual(pages.host_of("spark://10.0.0.1:7077"), "10.0.0.1")
        self.assertEqual(pages.host_of("spark://a:7077,b:7077"), "a")

    def serve(self, answer):
        """A page on a port of its own, which gives this answer once."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def once():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        self.addCleanup(thread.join)
        return listener.getsockname()[1]

    def test_a_page_is_read_to_its_end(self):
        port = self.serve(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status": "ALIVE"}')
        self.assertEqual(pages.ask("127.0.0.1", port), {"status": "ALIVE"})

    def test_an_answer_that_is_no_page_is_no_answer(self):
        for answer, word in ((b"HTTP/1.1 503 Busy\r\n\r\n", "503"), (b"", "nothing"), (b"HTTP/1.1 200 OK\r\n\r\n<", "json")):
            with self.assertRaises(pages.NoAnswer) as caught:
                pages.ask("127.0.0.1", self.serve(answer))
            self.assertIn(word, str(caught.exception))

    def test_a_page_that_does_not_answer_is_told_with_its_address(self):
        with self.assertRaises(pages.NoAnswer) as caught:
            pages.ask("127.0.0.1", 1, seconds=1)
        self.assertIn("http://127.0.0.1:1/json/", str(caught.exception))


if __name__ == "__main__":
    unittest.main()

"""The database charm's decisions and its SQL, without a server."""

import os
import sys
import unittest
from pathlib import Path
from unittest import mock

CHARM = Path(__file__).resolve().parent.parent
LAYERS = CHARM.parent.parent / "layers"
NAMES = ("base", "apt", "service", "debian-service")
sys.path[:0] = [str(LAYERS / name / "lib") for name in NAMES] + [str(CHARM / "lib")]

import muster_layers  # noqa: E402

muster_layers.__path__ += [str(LAYERS / name / "lib/muster_layers") for name in NAMES[1:]]
muster_layers.__path__.append(str(CHARM / "lib/muster_layers"))

from mariadb_charm import client, sql  # noqa: E402
from muster_charm import charm, process, tools  # noqa: E402
from muster_layers import mariadb  # noqa: E402

CONFIG = {"port": 3306, "max-connections": 151, "innodb-buffer-pool-size": "128M", "performance-schema": False}


class Sql(unittest.TestCase):
    def test_quotes_cannot_be_left(self):
        self.assertEqual(sql.literal("it's \\' or 1=1 --"), "'it''s \\'' or 1=1 --'")
        self.assertEqual(sql.identifier("a`b"), "`a``b`")
        with self.assertRaises(ValueError):
            sql.literal("a\0b")

    def test_a_backslash_means_itself_in_every_script(self):
        self.assertIn("NO_BACKSLASH_ESCAPES", sql.script(["select 1"]).splitlines()[0])

    def test_wildcards_in_a_databases_name_give_no_rights_on_others(self):
        self.assertEqual(sql.pattern("my_db"), "`my\\_db`")
        self.assertIn("GRANT ALL PRIVILEGES ON `my\\_db`.* TO", sql.make_account("u", "p", "my_db")[-1])

    def test_the_servers_own_databases_are_nobodys(self):
        for name in ("mysql", "MySQL", "sys", "information_schema", "", "a b", "a`b", "x" * 65, "-a", "a/b"):
            with self.subTest(name):
                self.assertFalse(sql.usable_database(name))
        for name in ("test", "word-count", "a_b$1", "spark"):
            with self.subTest(name):
                self.assertTrue(sql.usable_database(name))

    def test_rows_tell_null_from_the_word(self):
        text = (
            '<?xml version="1.0"?><resultset xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><row>'
            '<field name="a">NULL</field><field name="b" xsi:nil="true" /><field name="c"></field></row></resultset>'
        )
        self.assertEqual(sql.rows(text), [{"a": "NULL", "b": None, "c": ""}])
        self.assertEqual(sql.rows(""), [])

    def test_errors_are_shown_without_the_statement(self):
        said = "--------------\nALTER USER x IDENTIFIED BY 'secret'\n--------------\n\nERROR 1064 (42000) at line 1: no"
        self.assertEqual(sql.errors(said), "ERROR 1064 (42000) at line 1: no")
        failed = mock.Mock(returncode=1, stderr=said, stdout="")
        with mock.patch.object(process, "run", return_value=failed), self.assertRaises(process.CommandError) as caught:
            client.run(["x"])
        self.assertNotIn("secret", str(caught.exception))


class Config(unittest.TestCase):
    def test_what_cannot_be_blocks_and_names_the_option(self):
        for name, value in (
            ("port", 0),
            ("max-connections", 1),
            ("innodb-buffer-pool-size", "4M"),
            ("innodb-buffer-pool-size", "lots"),
            ("innodb-buffer-pool-size", "1G\nuser=root"),
        ):
            with self.subTest(name), self.assertRaisesRegex(charm.Blocked, name):
                mariadb.check_config({**CONFIG, name: value})
        mariadb.check_config(CONFIG)

    def test_it_listens_where_it_was_bound_and_nowhere_else(self):
        text = mariadb.settings(CONFIG, "/srv/mariadb/data", ["10.0.0.1", "10.1.0.1"])
        self.assertIn("bind-address = 10.0.0.1,10.1.0.1\n", text)
        self.assertIn("datadir = /srv/mariadb/data\n", text)


class Relation(unittest.TestCase):
    def setUp(self):
        self.ran, self.own, self.tables = [], {}, []
        for patch in (
            mock.patch.dict(os.environ, {"JUJU_UNIT_NAME": "mariadb/0"}),
            mock.patch.object(tools, "ingress_address", lambda _: "10.0.0.1"),
            mock.patch.object(tools, "is_leader", lambda: True),
            mock.patch.object(tools, "relation_get", lambda *_, **__: dict(self.own)),
            mock.patch.object(client, "run", self.ran.extend),
            mock.patch.object(client, "rows", lambda *_: self.tables),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def remote(self, units=None, data=None, relation="db:3"):
        remote = mock.Mock(id=relation, application="spark", application_data=data or {}, units=units or {})
        remote.own.return_value = self.own
        return remote

    def published(self, remote):
        return remote.publish.call_args[0][0]


class Legacy(Relation):
    def test_nobody_is_answered_before_somebody_is_there(self):
        remote = self.remote()
        self.assertIsNone(mariadb.serve_db(remote, CONFIG))
        remote.publish.assert_not_called()

    def test_the_database_is_named_after_the_application(self):
        remote = self.remote({"spark/0": {}})
        mariadb.serve_db(remote, CONFIG)
        answer = self.published(remote)
        self.assertEqual((answer["database"], answer["user"], answer["host"], answer["port"]), ("spark", "db-3", "10.0.0.1", "3306"))
        self.assertGreaterEqual(len(answer["password"]), 24)

    def test_one_that_is_asked_for_replaces_the_empty_first_one(self):
        self.own = {"database": "spark", "password": "kept"}
        remote = self.remote({"spark/0": {"database": "test"}})
        mariadb.serve_db(remote, CONFIG)
        self.assertEqual((self.published(remote)["database"], self.published(remote)["password"]), ("test", "kept"))
        self.assertEqual(self.ran[-1], "DROP DATABASE IF EXISTS `spark`")

    def test_a_first_one_that_is_in_use_stays(self):
        self.own, self.tables = {"database": "spark", "password": "kept"}, [{"1": "1"}]
        mariadb.serve_db(self.remote({"spark/0": {"database": "test"}}), CONFIG)
        self.assertFalse([statement for statement in self.ran if statement.startswith("DROP")])

    def test_an_answered_relation_runs_nothing(self):
        self.own = {"database": "spark", "password": "kept"}
        mariadb.serve_db(self.remote({"spark/0": {}}), CONFIG)
        self.assertEqual(self.ran, [])

    def test_a_name_that_cannot_be_is_refused_in_a_sentence(self):
        remote = self.remote({"spark/0": {"database": "mysql"}})
        self.assertIn("cannot be: 'mysql'", mariadb.serve_db(remote, CONFIG))
        remote.publish.assert_not_called()


class Modern(Relation):
    def test_plain_keys_without_a_wish_for_secrets(self):
        remote = self.remote(data={"database": "test"}, relation="database:5")
        mariadb.serve_database(remote, CONFIG)
        answer = self.published(remote)
        self.assertEqual((answer["username"], answer["endpoints"]), ("database-5", "10.0.0.1:3306"))
        self.assertIn("password", answer)

    def test_a_secret_when_it_is_asked_for(self):
        called = []

        def call(tool, *words, **_):
            called.append((tool, *words))
            return "secret:abc\n"

        remote = self.remote(data={"database": "test", "requested-secrets": '["username"]'}, relation="database:5")
        with mock.patch.object(tools, "available", return_value=True), mock.patch.object(tools, "call", call):
            mariadb.serve_database(remote, CONFIG)
        answer = self.published(remote)
        self.assertEqual(answer["secret-user"], "secret:abc")
        self.assertNotIn("password", answer)
        self.assertEqual(called[1], ("secret-grant", "secret:abc", "--relation", "database:5"))

    def test_plain_keys_where_there_are_no_secrets(self):
        remote = self.remote(data={"database": "test", "requested-secrets": '["username"]'}, relation="database:5")
        with mock.patch.object(tools, "available", return_value=False):
            mariadb.serve_database(remote, CONFIG)
        self.assertIn("password", self.published(remote))

    def test_a_wish_that_cannot_be_read_is_none(self):
        for text in ("{", "7", '{"a": 1}', "[[]]"):
            with self.subTest(text):
                self.assertEqual(mariadb.requested_secrets({"requested-secrets": text}), set())


class Server(Relation):
    def pin(self, shared, units, leader=True):
        peer = mock.Mock(id="cluster:0", units=units)
        with (
            mock.patch.object(mariadb.hook, "relations", return_value=[peer]),
            mock.patch.object(tools, "relation_get", return_value=shared),
            mock.patch.object(tools, "is_leader", return_value=leader),
        ):
            mariadb.pin_server()
        return peer.publish.call_args

    def test_the_first_leader_serves_for_good(self):
        self.assertEqual(self.pin({}, {}), mock.call({"server": "mariadb/0"}, app=True))
        self.assertIsNone(self.pin({"server": "mariadb/0"}, {"mariadb/1": {}}))

    def test_another_unit_says_why_it_does_not(self):
        with self.assertRaisesRegex(charm.Blocked, "mariadb/1 serves"):
            self.pin({"server": "mariadb/1"}, {"mariadb/1": {}})

    def test_a_follower_waits_for_the_choice(self):
        with self.assertRaises(charm.Waiting):
            self.pin({}, {"mariadb/1": {}}, leader=False)


if __name__ == "__main__":
    unittest.main()

"""The monitors' decisions, with `ceph` and the hook tools replaced by a small model of them."""

import os
import sys
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

from muster_charm import charm, tools  # noqa: E402
from muster_layers import ceph_base, ceph_mon  # noqa: E402


class Peer:
    """The peer relation, as it is before the hook, and what the hook published."""

    id = "mon:0"

    def __init__(self, units=None):
        self.units = units or {}
        self.published = []

    def publish(self, values, app=False):
        self.published.append((values, app))


class Case(unittest.TestCase):
    def setUp(self):
        self.config = {"replicas": 1, "failure-domain": "osd", "placement-groups": 8, "fsid": ""}
        self.leader = True
        self.shared = {}
        for patch in (
            mock.patch.dict(os.environ, {"JUJU_UNIT_NAME": "ceph-mon/0"}),
            mock.patch.object(tools, "config", lambda: self.config),
            mock.patch.object(tools, "is_leader", lambda: self.leader),
            mock.patch.object(tools, "relation_get", lambda *_, **__: dict(self.shared)),
            mock.patch.object(tools, "ingress_address", lambda _: "10.0.0.1"),
            mock.patch.object(tools, "log"),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def site(self, units=None):
        return ceph_mon.Site(Peer(units))


class Agreeing(Case):
    def test_the_leader_writes_the_keys_and_makes_nothing_of_them_yet(self):
        site = self.site()
        with self.assertRaises(charm.Waiting):
            ceph_mon.agree(site)
        [(values, app)] = site.peer.published
        self.assertTrue(app)
        self.assertEqual(values["seed"], "ceph-mon/0")
        self.assertEqual({"fsid", "mon-key", "admin-key", "seed"}, set(values))

    def test_a_follower_waits_for_the_keys(self):
        self.leader = False
        site = self.site()
        with self.assertRaisesRegex(charm.Waiting, "waiting for the leader"):
            ceph_mon.agree(site)
        self.assertEqual(site.peer.published, [])

    def test_keys_that_are_there_stay(self):
        self.shared = {"fsid": "f", "seed": "ceph-mon/0"}
        site = self.site()
        ceph_mon.agree(site)
        self.assertEqual(site.peer.published, [])

    def test_a_seed_that_went_before_it_began_is_replaced(self):
        self.shared = {"fsid": "f", "seed": "ceph-mon/7"}
        site = self.site({"ceph-mon/1": {}})
        ceph_mon.agree(site)
        self.assertEqual(site.peer.published, [({"seed": "ceph-mon/0"}, True)])

    def test_a_seed_is_not_replaced_once_there_is_a_quorum(self):
        self.shared = {"fsid": "f", "seed": "ceph-mon/7"}
        site = self.site({"ceph-mon/1": {"in-quorum": "1", "ceph-public-address": "10.0.0.2"}})
        ceph_mon.agree(site)
        self.assertEqual(site.peer.published, [])


class Config(Case):
    def test_what_cannot_be_blocks_and_names_the_option(self):
        for name, value in (
            ("replicas", 0),
            ("replicas", 11),
            ("placement-groups", 0),
            ("failure-domain", "rack"),
            ("fsid", "no uuid"),
        ):
            with self.subTest(name), self.assertRaisesRegex(charm.Blocked, name):
                ceph_mon.check_config({**self.config, name: value})

    def test_half_of_the_copies_and_one_more_are_needed(self):
        self.assertEqual([ceph_mon.min_size(copies) for copies in (1, 2, 3, 4, 5)], [1, 1, 2, 2, 3])

    def test_options_are_compared_by_meaning(self):
        self.assertTrue(ceph_mon.same_option("1", "true"))
        self.assertTrue(ceph_mon.same_option("true", "true"))
        self.assertFalse(ceph_mon.same_option(None, "false"))
        self.assertFalse(ceph_mon.same_option("2", "3"))

    def test_a_pool_is_only_told_what_differs(self):
        told = []
        with mock.patch.object(ceph_base, "command", lambda *words, **_: told.append(words)):
            pool = {"pool_name": "p", "crush_rule": 1, "size": 3, "min_size": 2}
            ceph_mon.align_pool(pool, 3, ("replicated-osd", 1))
            self.assertEqual(told, [])
            ceph_mon.align_pool(pool, 1, ("replicated-osd", 1))
        self.assertEqual(
            told,
            [
                ("osd", "pool", "set", "p", "size", "1", "--yes-i-really-mean-it"),
                ("osd", "pool", "set", "p", "min_size", "1"),
            ],
        )


class Serving(Case):
    def serve(self, units, own=None):
        remote = mock.Mock(units=units)
        remote.own.return_value = own or {}
        with mock.patch.object(ceph_mon, "client_key", side_effect=lambda entity, *_: f"key of {entity}"):
            ceph_mon.serve_gateways(remote, {"fsid": "f"})
        return remote.publish.call_args[0][0]

    def test_each_gateway_gets_a_key_under_the_name_it_asks_for(self):
        published = self.serve({"g/0": {"key_name": "rgw.g-0"}, "g/1": {}})
        self.assertEqual(published, {"fsid": "f", "rgw.g-0_key": "key of client.rgw.g-0"})

    def test_no_gateway_gets_somebody_elses_key(self):
        for name in ("admin", "osd.0", "rgw.a b", "rgw.", "../rgw.x"):
            with self.subTest(name):
                self.assertEqual(self.serve({"g/0": {"key_name": name}}), {"fsid": "f"})

    def test_a_key_of_a_gateway_that_left_is_taken_back(self):
        published = self.serve({}, own={"rgw.g-0_key": "k", "fsid": "f"})
        self.assertEqual(published, {"fsid": "f", "rgw.g-0_key": None})

    def test_a_known_key_is_not_asked_for_again(self):
        published = self.serve({"g/0": {"key_name": "rgw.g-0"}}, own={"rgw.g-0_key": "known"})
        self.assertEqual(published["rgw.g-0_key"], "known")


class Lost(Case):
    def test_only_this_applications_monitors_are_taken_out(self):
        self.shared = {"fsid": "f"}
        site = self.site({"ceph-mon/1": {}})
        mons = [{"name": name} for name in ("ceph-mon-0", "ceph-mon-1", "ceph-mon-2", "ceph-mon-x", "other-2")]
        told = []
        with (
            mock.patch.object(ceph_base, "ask", return_value={"mons": mons}),
            mock.patch.object(ceph_base, "command", lambda *words, **_: told.append(words)),
        ):
            ceph_mon.remove_lost_monitors(site)
        self.assertEqual(told, [("mon", "remove", "ceph-mon-2")])


if __name__ == "__main__":
    unittest.main()

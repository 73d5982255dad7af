"""The gateway's decisions, its signatures, and its certificates (made by the real `openssl`)."""

import contextlib
import datetime
import hashlib
import http.server
import io
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
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

from muster_charm import charm, files, tools  # noqa: E402
from muster_layers import ceph_radosgw  # noqa: E402
from radosgw import certificate, s3, users  # noqa: E402

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EMPTY = hashlib.sha256(b"").hexdigest()


class Signature(unittest.TestCase):
    def test_it_is_the_one_of_the_published_example(self):
        headers = {
            "host": "examplebucket.s3.amazonaws.com",
            "range": "bytes=0-9",
            "x-amz-content-sha256": EMPTY,
            "x-amz-date": "20130524T000000Z",
        }
        now = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)
        signed = s3.authorization("GET", "/test.txt", headers, EMPTY, now, "us-east-1", ACCESS, SECRET)
        self.assertTrue(signed.endswith("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"), signed)
        self.assertIn("SignedHeaders=host;range;x-amz-content-sha256;x-amz-date", signed)

    def test_a_file_is_measured_and_rewound(self):
        file = io.BytesIO(b"abc")
        self.assertEqual(s3.measure(file), (3, hashlib.sha256(b"abc").hexdigest()))
        self.assertEqual(file.read(), b"abc")


class Folder(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = kept.name
        write = files.write
        # Whoever runs the tests owns what they write.
        patch = mock.patch.object(files, "write", lambda p, c, mode=0o644, *_: write(p, c, mode, os.getuid(), os.getgid()))
        patch.start()
        self.addCleanup(patch.stop)


class Certificates(Folder):
    def test_one_authority_vouches_for_each_unit_and_for_nobody_else(self):
        authority, key = certificate.make_authority("test authority")
        names = ["127.0.0.1", "gateway"]
        self.assertTrue(certificate.ensure(self.folder, authority, key, names, "ceph"))
        self.assertFalse(certificate.ensure(self.folder, authority, key, names, "ceph"))
        self.assertEqual(os.stat(f"{self.folder}/server.key").st_mode & 0o777, 0o640)
        with self.served() as port:
            self.assertEqual(self.got(port, authority), b"hello")
            other, _ = certificate.make_authority("another")
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.got(port, other)

    def test_other_names_make_another_certificate(self):
        authority, key = certificate.make_authority("test authority")
        certificate.ensure(self.folder, authority, key, ["127.0.0.1"], "ceph")
        first = files.read(f"{self.folder}/server.crt")
        self.assertTrue(certificate.ensure(self.folder, authority, key, ["127.0.0.1", "balancer.example"], "ceph"))
        self.assertNotEqual(files.read(f"{self.folder}/server.crt"), first)
        shown = subprocess.run(
            ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", f"{self.folder}/server.crt"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        self.assertIn("IP Address:127.0.0.1, DNS:balancer.example", shown)

    @contextlib.contextmanager
    def served(self):
        """A gateway that answers one object, with the certificate in the folder."""

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-length", "5")
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        server = Quiet(("127.0.0.1", 0), Answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{self.folder}/server.crt", f"{self.folder}/server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def got(self, port, authority):
        """What the charm's own client gets from there, trusting this authority."""
        path = os.path.join(self.folder, "trusted.crt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(authority)
        client = s3.Client(f"https://127.0.0.1:{port}", "a", "s", "us-east-1", path, seconds=10)
        kept = io.BytesIO()
        client.get("bucket", "key", kept.write)
        return kept.getvalue()


class Remote:
    """A related application."""

    def __init__(self, relation, application, asked):
        self.id, self.application, self.application_data = relation, application, asked
        self.units = {f"{application}/0": {}}
        self.published = []

    def publish(self, values, app=False):
        assert app
        self.published.append({key: value for key, value in values.items() if value is not None})


class Serving(unittest.TestCase):
    def setUp(self):
        self.owners, self.keyless, self.own, self.made, self.given, self.removed = {}, set(), {}, [], [], []
        client = mock.Mock()
        client.make_bucket.side_effect = self.made.append
        client.remove_bucket.side_effect = self.removed.append
        self.gateway = mock.Mock(tls=False, region="r")
        self.gateway.endpoint.return_value = "http://10.0.0.1:80"
        for patch in (
            mock.patch.dict(os.environ, {"JUJU_UNIT_NAME": "ceph-radosgw/0"}),
            mock.patch.object(tools, "relation_get", lambda *_, **__: dict(self.own)),
            mock.patch.object(users, "ensure", self.user),
            mock.patch.object(users, "find", self.user),
            mock.patch.object(users, "bucket_owner", self.owners.get),
            mock.patch.object(users, "give_bucket", lambda *words: self.given.append(words)),
            mock.patch.object(ceph_radosgw, "client_for", lambda *_: client),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def user(self, uid, *_):
        keys = [] if uid in self.keyless else [{"access_key": f"a-{uid}", "secret_key": f"s-{uid}"}]
        return {"user_id": uid, "keys": keys}

    def serve(self, asked, relation="s3:4"):
        remote = Remote(relation, "spark", asked)
        return ceph_radosgw.serve_one(self.gateway, remote, asked), remote.published

    def test_a_bucket_without_a_name_is_named_after_the_relation(self):
        refused, [answer] = self.serve({})
        self.assertIsNone(refused)
        self.assertEqual(self.made, ["relation-4"])
        self.assertEqual(
            answer,
            {
                "bucket": "relation-4",
                "endpoint": "http://10.0.0.1:80",
                "region": "r",
                "s3-uri-style": "path",
                "access-key": "a-spark.relation-4",
                "secret-key": "s-spark.relation-4",
            },
        )

    def test_a_name_that_comes_later_replaces_the_empty_first_bucket(self):
        self.own = {"bucket": "relation-4", "secret-key": "s"}
        _, [answer] = self.serve({"bucket": "words"})
        self.assertEqual((answer["bucket"], self.made, self.removed), ("words", ["words"], ["relation-4"]))

    def test_an_answered_relation_costs_no_request(self):
        self.own = {"bucket": "words", "secret-key": "s"}
        with mock.patch.object(users, "ensure", side_effect=AssertionError("asked again")):
            _, [answer] = self.serve({"bucket": "words"})
        self.assertNotIn("secret-key", answer)

    def test_the_bucket_of_an_ended_relation_of_the_same_application_is_given_over(self):
        self.owners, self.keyless = {"words": "spark.relation-2"}, {"spark.relation-2"}
        with mock.patch.object(users, "bucket_owner", self.owners.get):
            self.assertIsNone(self.serve({"bucket": "words"})[0])
        self.assertEqual(self.given, [("words", "spark.relation-4")])

    def test_nobody_gets_a_bucket_that_is_in_use_or_another_applications(self):
        for owner, keyless in (("spark.relation-2", set()), ("other.relation-2", {"other.relation-2"}), ("demo", set())):
            self.keyless = keyless
            with self.subTest(owner), mock.patch.object(users, "bucket_owner", {"words": owner}.get):
                refused, published = self.serve({"bucket": "words"})
                self.assertIn(f"belongs to {owner}", refused)
                self.assertEqual((published, self.given), ([], []))

    def test_names_that_no_bucket_can_have_are_refused(self):
        for name in ("a", "UPPER", "a/b", "../x", "x" * 64, "-a-"):
            with self.subTest(name):
                refused, published = self.serve({"bucket": name})
                self.assertIn("cannot be", refused)
                self.assertEqual(published, [])


class Config(unittest.TestCase):
    def gateway(self, **options):
        with mock.patch.object(tools, "ingress_address", lambda _: "10.0.0.1"):
            return ceph_radosgw.Gateway({"tls": True, "region": "us-east-1", "os-public-hostname": "", **options})

    def test_the_port_follows_tls_unless_it_is_set(self):
        self.assertEqual(self.gateway().own_url(), "https://10.0.0.1:443")
        self.assertEqual(self.gateway(tls=False).own_url(), "http://10.0.0.1:80")
        self.assertEqual(self.gateway(port=8443).endpoint(), "https://10.0.0.1:8443")

    def test_a_public_name_is_the_endpoint_and_in_the_certificate(self):
        gateway = self.gateway(**{"os-public-hostname": "s3.example"})
        self.assertEqual(gateway.endpoint(), "https://s3.example:443")
        self.assertEqual((gateway.names()[0], gateway.names()[-1]), ("10.0.0.1", "s3.example"))

    def test_what_cannot_be_blocks(self):
        for options in ({"port": 70000}, {"os-public-hostname": "a b"}, {"region": "x\ny"}, {"os-public-hostname": "a\nb"}):
            with self.subTest(options), self.assertRaises(charm.Blocked):
                self.gateway(**options)


class Users(unittest.TestCase):
    def test_a_missing_bucket_is_told_from_a_failure(self):
        done = mock.Mock(returncode=2002 % 256, stdout="", stderr="failure: (2002) Unknown error 2002")
        with mock.patch.object(users, "admin", return_value=done):
            self.assertIsNone(users.bucket_owner("x"))

    def test_no_secret_is_ever_an_argument(self):
        asked = []
        answers = {"info": mock.Mock(returncode=22, stdout=""), "create": mock.Mock(returncode=0)}
        answers["create"].stdout = json.dumps({"user_id": "u", "keys": [{"access_key": "a", "secret_key": "s"}]})

        def admin(*words, **_):
            asked.append(words)
            return answers[words[1]]

        with mock.patch.object(users, "admin", admin):
            self.assertEqual(users.keys(users.ensure("u", "a user")), ("a", "s"))
        self.assertFalse([word for words in asked for word in words if "secret" in word])


if __name__ == "__main__":
    unittest.main()

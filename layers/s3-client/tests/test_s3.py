"""The object store's settings, from both versions of the relation and from the configuration."""

import base64
import importlib.util
import json
import sys
import unittest
from pathlib import Path

LAYERS = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(LAYERS / "s3-client/lib"))

from muster_s3 import settings  # noqa: E402

spec = importlib.util.spec_from_file_location("requires", LAYERS / "interface-s3/requires.py")
requires = importlib.util.module_from_spec(spec)
spec.loader.exec_module(requires)

PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
ANSWER = {"endpoint": "https://gw:7443", "access-key": "A", "secret-key": "S", "bucket": "words", "data": "{}"}


class Relation(unittest.TestCase):
    def test_nothing_is_known_until_address_and_keys_are_there(self):
        self.assertIsNone(requires.answer({}))
        for key in ("endpoint", "access-key", "secret-key"):
            self.assertIsNone(requires.answer({k: v for k, v in ANSWER.items() if k != key}))
        self.assertEqual(requires.answer(ANSWER)["bucket"], "words")

    def test_keys_may_come_as_a_secret(self):
        secrets = {"secret:1": {"access-key": "A2", "secret-key": "S2"}}
        found = requires.answer({"endpoint": "http://gw", "secret-extra": "secret:1"}, secrets.get)
        self.assertEqual((found["access-key"], found["secret-key"]), ("A2", "S2"))

    def test_keys_in_the_clear_need_no_secret(self):
        self.assertEqual(requires.answer({**ANSWER, "secret-extra": "secret:1"}, lambda _: 1 / 0)["access-key"], "A")

    def test_a_chain_comes_in_each_of_its_spellings(self):
        coded = base64.b64encode(PEM.encode()).decode()
        der = base64.b64encode(b"ABC").decode()
        for text in (PEM, coded, json.dumps([PEM]), json.dumps([coded]), json.dumps([der])):
            self.assertEqual(requires.chain(text), [PEM], text)
        self.assertEqual(requires.chain(json.dumps([PEM + PEM, PEM])), [PEM] * 3)
        self.assertEqual(requires.chain(""), [])
        with self.assertRaises(ValueError):
            requires.chain('["%%%"]')

    def test_the_bucket_is_asked_for(self):
        self.assertEqual(requires.request("words")["bucket"], "words")
        self.assertEqual(json.loads(requires.request("w", True)["requested-secrets"]), ["access-key", "secret-key"])


class Merge(unittest.TestCase):
    def test_the_relation_goes_before_secret_and_configuration(self):
        config = {"object-storage-gateway": "http://other", "aws-access-key": "C", "aws-secret-key": "D"}
        secret = {"access-key": "E", "secret-key": "F"}
        found = settings.merge(requires.answer(ANSWER), config, secret)
        self.assertEqual((found["endpoint"], found["access-key"]), ("https://gw:7443", "A"))
        found = settings.merge(None, config, secret)
        self.assertEqual((found["endpoint"], found["access-key"]), ("http://other", "E"))
        self.assertEqual(settings.merge(None, config)["access-key"], "C")
        self.assertIsNone(settings.merge(None, {"object-storage-gateway": "http://other"}))

    def test_the_scheme_wins_over_the_setting_for_tls(self):
        def tls(gateway, enabled):
            config = {"object-storage-gateway": gateway, "aws-access-key": "A", "aws-secret-key": "B"}
            return settings.merge(None, {**config, "s3-ssl-enabled": enabled})["tls"]

        self.assertFalse(tls("http://gw", "true"))
        self.assertTrue(tls("https://gw", "false"))
        self.assertTrue(tls("gw:7480", "true"))
        self.assertFalse(tls("gw:7480", "False"))

    def test_gateways_that_say_nothing_get_path_style_and_some_region(self):
        found = settings.merge(requires.answer(ANSWER), {})
        self.assertTrue(found["path-style"])
        self.assertEqual(found["region"], "us-east-1")
        found = settings.merge(requires.answer({**ANSWER, "s3-uri-style": "host", "region": "r"}), {})
        self.assertEqual((found["path-style"], found["region"]), (False, "r"))


class S3a(unittest.TestCase):
    def properties(self, endpoint="https://gw", **options):
        merged = settings.merge(requires.answer({**ANSWER, "endpoint": endpoint}), {})
        return settings.properties(merged, **options)

    def test_the_names_are_hadoops(self):
        found = self.properties(buffer="/cache")
        self.assertEqual(found["fs.s3a.endpoint"], "https://gw")
        self.assertEqual(found["fs.s3a.secret.key"], "S")
        self.assertEqual(found["fs.s3a.path.style.access"], "true")
        self.assertEqual(found["fs.s3a.connection.ssl.enabled"], "true")
        self.assertEqual(found["fs.s3a.buffer.dir"], "/cache")
        self.assertNotIn("fs.s3a.signing-algorithm", found)

    def test_plain_http_needs_the_old_signature_while_there_is_one(self):
        self.assertEqual(self.properties("http://gw")["fs.s3a.signing-algorithm"], "S3SignerType")
        self.assertNotIn("fs.s3a.signing-algorithm", self.properties("http://gw", aws=(3, 4, 1), client=(3, 4, 1)))

    def test_an_older_library_gets_numbers_that_it_can_read(self):
        self.assertEqual(self.properties(aws=(3, 3, 1), client=(3, 4, 1))["fs.s3a.threads.keepalivetime"], "60")
        self.assertNotIn("fs.s3a.threads.keepalivetime", self.properties(aws=(3, 3, 1), client=(3, 3, 4)))

    def test_an_unknown_committer_is_named(self):
        self.assertEqual(self.properties(committer="magic")["fs.s3a.committer.magic.enabled"], "true")
        self.assertNotIn("mapreduce.outputcommitter.factory.scheme.s3a", self.properties(committer="file"))
        with self.assertRaises(settings.BadSetting) as caught:
            self.properties(committer="black")
        self.assertIn("'black'", str(caught.exception))


class Bucket(unittest.TestCase):
    def test_a_name_of_ones_own_keeps_to_the_rules(self):
        self.assertEqual(settings.bucket_name("mine", "m", "a"), "mine")
        self.assertEqual(settings.bucket_name("", "My_Model", "spark"), "my-model-spark")
        self.assertEqual(settings.bucket_name("", "", "a"), "a-bucket")
        self.assertLessEqual(len(settings.bucket_name("", "m" * 80, "spark")), 63)


if __name__ == "__main__":
    unittest.main()

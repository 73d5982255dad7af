"""Properties, and which libraries fit together."""

import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from muster_hadoop import jars, properties  # noqa: E402


class Properties(unittest.TestCase):
    def test_lines_are_read_and_a_bad_one_is_named_by_its_number(self):
        self.assertEqual(properties.parse("# c\n\na = 1\nb=x=y\n"), {"a": "1", "b": "x=y"})
        with self.assertRaises(properties.BadLine) as caught:
            properties.parse("a=1\nb")
        self.assertEqual(str(caught.exception), "line 2 is not key=value")

    def test_xml_holds_what_went_in(self):
        text = properties.xml({"fs.s3a.secret.key": "a<b>&c/+=", "x": 1})
        found = {p.findtext("name"): p.findtext("value") for p in ElementTree.fromstring(text.encode()).iter("property")}
        self.assertEqual(found, {"fs.s3a.secret.key": "a<b>&c/+=", "x": "1"})

    def test_java_properties_escape_what_java_would_eat(self):
        text = properties.java({"a.b": "c:\\d", "e": " f", "g": "1\n2"})
        self.assertEqual(text.splitlines()[1:], ["a.b=c:\\\\d", "e=\\ f", "g=1\\n2"])


def jar(name):
    return (*jars.split(name), f"/jars/{name}")


CLIENT = [jar("hadoop-client-api-3.3.4.jar"), jar("hadoop-client-runtime-3.3.4.jar"), jar("spark-core_2.12-3.5.9.jar")]


class Alignment(unittest.TestCase):
    def test_names_are_split_into_library_and_version(self):
        self.assertEqual(jars.split("hadoop-aws-3.3.4.jar"), ("hadoop-aws", "3.3.4"))
        self.assertEqual(jars.split("hadoop-aws-3.3.4-amzn-1.jar"), ("hadoop-aws", "3.3.4-amzn-1"))
        self.assertEqual(jars.split("bundle-2.24.6.jar"), ("bundle", "2.24.6"))
        self.assertEqual(jars.split("hadoop-aws.jar"), ("hadoop-aws", None))

    def test_a_matching_pair_is_aligned(self):
        found = jars.align(CLIENT, [jar("hadoop-aws-3.3.4.jar"), jar("aws-java-sdk-bundle-1.12.262.jar")])
        self.assertEqual((found.client, found.aws, found.sdk), ("3.3.4", "3.3.4", "aws-java-sdk-bundle 1.12.262"))
        self.assertTrue(found.aligned)

    def test_a_mismatch_names_both_versions(self):
        found = jars.align(CLIENT, [jar("hadoop-aws-3.3.1.jar"), jar("aws-java-sdk-bundle-1.11.901.jar")])
        self.assertEqual(found.problems, ["hadoop-aws 3.3.1 does not match the Hadoop client 3.3.4 of spark-tarball"])

    def test_a_missing_sdk_is_named_by_its_generation(self):
        found = jars.align(CLIENT, [jar("hadoop-aws-3.3.4.jar")])
        self.assertEqual(found.problems, ["hadoop-aws 3.3.4 needs aws-java-sdk-bundle"])
        client = [jar("hadoop-client-api-3.4.1.jar"), jar("hadoop-client-runtime-3.4.1.jar")]
        found = jars.align(client, [jar("hadoop-aws-3.4.1.jar"), jar("aws-java-sdk-bundle-1.12.262.jar")])
        self.assertEqual(found.problems, ["hadoop-aws 3.4.1 needs software.amazon.awssdk:bundle"])
        self.assertTrue(jars.align(client, [jar("hadoop-aws-3.4.1.jar"), jar("bundle-2.24.6.jar")]).aligned)

    def test_a_client_that_disagrees_with_itself_is_told(self):
        found = jars.align([jar("hadoop-client-api-3.3.4.jar"), jar("hadoop-client-runtime-3.3.6.jar")], [])
        self.assertEqual(
            found.problems, ["spark-tarball mixes hadoop-client-api 3.3.4 and hadoop-client-runtime 3.3.6"]
        )

    def test_two_versions_of_the_library_are_told(self):
        added = [jar("hadoop-aws-3.3.4.jar"), jar("hadoop-aws-3.3.6.jar"), jar("aws-java-sdk-bundle-1.12.262.jar")]
        self.assertIn("there are several hadoop-aws: 3.3.4, 3.3.6", jars.align(CLIENT, added).problems)

    def test_without_the_library_nothing_is_wrong(self):
        found = jars.align(CLIENT, [])
        self.assertTrue(found.aligned)
        self.assertIsNone(found.aws)

    def test_a_jar_without_a_version_in_its_name_says_it_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/hadoop-aws.jar"
            with zipfile.ZipFile(path, "w") as made:
                made.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nImplementation-Version: 3.3.6\r\n")
            self.assertEqual(jars.version_of("hadoop-aws", None, path), "3.3.6")
            with zipfile.ZipFile(path, "a") as made:
                made.writestr("META-INF/maven/org.apache.hadoop/hadoop-aws/pom.properties", "version=3.3.4\n")
            self.assertEqual(jars.version_of("hadoop-aws", None, path), "3.3.4")
            self.assertEqual(jars.scan(folder), [("hadoop-aws", None, path)])

    def test_a_jar_that_is_no_archive_has_no_version(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "hadoop-aws.jar")
            path.write_text("x", encoding="utf-8")
            found = jars.align(CLIENT, jars.scan(folder))
            self.assertEqual(found.aws, "of unknown version")
            self.assertFalse(found.aligned)


if __name__ == "__main__":
    unittest.main()

"""Which version of Hadoop speaks from which library, and whether they fit together.

hadoop-aws is not independent of the Hadoop client: it calls into its insides. Its version must be
the client's own, and it wants the SDK bundle of its generation: the first one up to 3.3, the second
one from 3.4 on.
"""

import os
import re

CLIENT = ("hadoop-client-api", "hadoop-client-runtime", "hadoop-common")
AWS = "hadoop-aws"
_SDK_1 = "aws-java-sdk-bundle"
_SDK_2 = "bundle"
_VERSION = re.compile(r"-(\d[0-9A-Za-z.+_-]*)\.jar$")


class Alignment:
    """What was found: versions by library, and what does not fit, in sentences."""

    def __init__(self, client, aws, sdk, problems):
        self.client = client
        self.aws = aws
        self.sdk = sdk
        self.problems = problems

    @property
    def aligned(self):
        """Whether everything that is there fits together."""
        return not self.problems


def scan(*folders):
    """The jars below the folders, as (name without version, version or None, path), in order of path."""
    found = []
    for folder in folders:
        for at, inner, names in os.walk(folder):
            inner.sort()
            for name in sorted(names):
                if name.endswith(".jar"):
                    path = os.path.join(at, name)
                    found.append((*split(name), path))
    return found


def split(name):
    """A jar's name as library and version: `hadoop-aws-3.3.4.jar` is hadoop-aws and 3.3.4."""
    match = _VERSION.search(name)
    if match:
        return name[: match.start()], match[1]
    return name[: -len(".jar")], None


def version_of(library, version, path):
    """The version in the jar's name, or the one that the jar says of itself; None when neither does."""
    if version:
        return version
    import zipfile  # jars that do not name their version are rare

    try:
        with zipfile.ZipFile(path) as jar:
            for name in jar.namelist():
                if name.startswith("META-INF/maven/") and name.endswith(f"/{library}/pom.properties"):
                    return _after(jar.read(name).decode("utf-8", "replace"), r"version\s*=\s*")
            manifest = jar.read("META-INF/MANIFEST.MF").decode("utf-8", "replace")
            return _after(manifest, r"Implementation-Version:\s*") or _after(manifest, r"Bundle-Version:\s*")
    except (OSError, KeyError, zipfile.BadZipFile):
        return None


def align(spark_jars, other_jars):
    """Compares Spark's own libraries with the ones that were added; both as `scan` gives them."""
    clients = _versions(spark_jars, CLIENT)
    added = _versions(list(spark_jars) + list(other_jars), (AWS,))
    sdks = [(name, version) for name, version, _ in [*spark_jars, *other_jars] if _is_sdk(name, version)]
    client = _one(clients)
    aws = _one(added)
    problems = []
    if len({version for _, version in clients}) > 1:
        problems.append("spark-tarball mixes " + " and ".join(f"{n} {v}" for n, v in clients))
    if len({version for _, version in added}) > 1:
        problems.append("there are several hadoop-aws: " + ", ".join(v for _, v in added))
    if aws and client and aws != client:
        problems.append(f"hadoop-aws {aws} does not match the Hadoop client {client} of spark-tarball")
    if aws and not client:
        problems.append(f"hadoop-aws {aws} was added, but spark-tarball holds no Hadoop client")
    wanted = _SDK_2 if aws and numbers(aws) >= (3, 4) else _SDK_1
    if aws and not any(name == wanted for name, _ in sdks):
        problems.append(f"hadoop-aws {aws} needs {'software.amazon.awssdk:bundle' if wanted == _SDK_2 else wanted}")
    sdk = next((f"{name} {version}" for name, version in sdks if name == wanted), None)
    return Alignment(client, aws, sdk, problems)


def numbers(version):
    """A version as numbers, for comparing: `3.3.4-amzn-1` is (3, 3, 4)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _versions(jars, libraries):
    found = []
    for name, version, path in jars:
        if name in libraries:
            found.append((name, version_of(name, version, path) or "of unknown version"))
    return found


def _is_sdk(name, version):
    return name == _SDK_1 or (name == _SDK_2 and version is not None)


def _one(versions):
    return versions[0][1] if versions else None


def _after(text, pattern):
    match = re.search(rf"^{pattern}(\S+)", text, re.MULTILINE)
    return match[1] if match else None

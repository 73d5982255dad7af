"""Spark on this machine: unpacked, with a user, folders and settings. No daemon is started here."""

import json
import os
import re
import socket

from muster_charm import charm, files, machine, process, state, status, tools, users
from muster_hadoop import jars, properties
from muster_layers import hadoop_base, java, tarball
from muster_spark import settings

USER = "spark"
EXTRA = "/opt/spark-extra-jars"
_STORAGE_HOOKS = ("install", "upgrade-charm", "config-changed", "start")


@charm.on("install", "upgrade-charm")
def localhost():
    """Makes `localhost` a known name: PySpark's driver listens there, and small machine images lack the line."""
    try:
        socket.gethostbyname("localhost")
    except OSError:
        known = files.read("/etc/hosts", "")
        files.write("/etc/hosts", f"127.0.0.1 localhost\n{known}")


@charm.on("install", "upgrade-charm")
def user_and_folders():
    """The user spark and the folders that do not depend on storage."""
    users.user(USER, settings.DATA)
    files.folder(settings.CONF)
    files.folder(hadoop_base.CONF)
    files.folder(settings.DATA, owner=USER, group=USER)
    files.folder(f"{settings.DATA}/events", mode=0o770, owner=USER, group=USER)
    files.folder(settings.LOGS, mode=0o750, owner=USER, group=USER)


@charm.reconcile
def unpacked():
    """Spark and the further libraries, from their resources; the version of the workload."""
    spark = tarball.ensure("spark-tarball", settings.HOME)
    extra = tarball.ensure("extra-jars", EXTRA, strip=0, required=False)
    trees = [spark.digest, extra.digest if extra else "", state.get("tarball.hadoop-tarball", {}).get("digest", "")]
    if state.put("spark.trees", trees) or state.get("spark.jars") is None:
        _look_at_jars(extra)
    version = read_version(files.read(f"{settings.HOME}/RELEASE", ""))
    if version and state.put("spark.version", version):
        tools.application_version_set(version)
    state.set_flag("spark.base.available")


def read_version(release):
    """The version in a RELEASE file; None when it names none."""
    found = re.search(r"\bSpark (\d\S*)", release)
    return found[1] if found else None


def _look_at_jars(extra):
    spark = jars.scan(f"{settings.HOME}/jars")
    added = jars.scan(EXTRA) if extra else []
    hadoop = []
    folder = hadoop_base.library_folder()
    if folder:
        # Spark brings the Hadoop client itself; of the distribution only what Spark lacks is taken.
        hadoop = [jar for jar in jars.scan(folder) if jar[0] in (jars.AWS, "aws-java-sdk-bundle", "bundle")]
    aligned = jars.align(spark, added + hadoop)
    class_path = sorted({os.path.dirname(path) + "/*" for _, _, path in added})
    if not any(name == jars.AWS for name, _, _ in added):
        class_path += [path for _, _, path in hadoop]
    state.put(
        "spark.jars",
        {
            "client": aligned.client,
            "aws": aligned.aws,
            "sdk": aligned.sdk,
            "problems": aligned.problems,
            "class-path": class_path,
            "cloud": any(name.startswith("spark-hadoop-cloud") for name, _, _ in spark + added),
        },
    )


def libraries():
    """What is known of the libraries: versions, what does not fit, the class path to add."""
    return state.get("spark.jars")


def require_alignment():
    """Raises Blocked when the libraries do not fit together and the operator has not said to go on."""
    problems = libraries()["problems"]
    if problems and not tools.config().get("allow-mismatched-hadoop"):
        raise charm.Blocked("; ".join(problems) + " (allow-mismatched-hadoop=true goes on)")


def describe(s3a_properties, ca_chain, master):
    """This unit as the settings want it. Makes the folders on storage, and the store of trusted certificates."""
    config = tools.config()
    workspace, caches = _folders()
    unit = settings.Unit(
        config=config,
        address=tools.ingress_address("spark"),
        java_home=java.home(),
        machine_mib=machine.memory_mib(),
        cores=machine.cores(),
        workspace=workspace,
        caches=caches,
        master=master,
    )
    known = libraries()
    unit.class_path = known["class-path"]
    unit.s3a = s3a_properties
    unit.cloud_committer = bool(unit.s3a) and known["cloud"] and config.get("s3-committer") != "file"
    unit.trust = trust(ca_chain, unit.java_home)
    bucket = config.get("event-log-bucket")
    if bucket and unit.s3a:
        unit.events = f"s3a://{bucket}/juju-spark-{os.environ.get('JUJU_MODEL_NAME', 'model')}"
    unit.extra = _lines("spark-defaults")
    unit.extra_env = _lines("spark-env")
    return unit


def write(unit):
    """Writes the settings; the variables of spark-env.sh."""
    try:
        variables = settings.environment(unit, hadoop_base.CONF)
        defaults = properties.java(settings.defaults(unit))
    except settings.BadSetting as error:
        raise charm.Blocked(str(error)) from error
    hadoop_base.write_core_site(f"{hadoop_base.CONF}/core-site.xml", unit.s3a, USER)
    files.write(settings.DEFAULTS, defaults, mode=0o640, group=USER)
    files.write(settings.ENV, settings.env_text(variables), mode=0o640, group=USER)
    return variables


def make_events(unit):
    """Makes the folder of the event logs on the object store: a job whose folder is missing does not start."""
    if not unit.events.startswith("s3a:"):
        return
    mark = files.digest(unit.events, unit.s3a["fs.s3a.endpoint"])
    if state.get("spark.events") == mark:
        return
    status.maintenance(f"making {unit.events}")
    options = settings.trust_options().split() if unit.trust else []
    class_path = ":".join([hadoop_base.CONF, f"{settings.HOME}/jars/*", *unit.class_path])
    done = process.run(
        "setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--",
        f"{unit.java_home}/bin/java", "-XX:-UseContainerSupport", *options, "-cp", class_path,
        "org.apache.hadoop.fs.FsShell", "-mkdir", "-p", unit.events,
        environment={"HOME": settings.DATA}, seconds=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise charm.Blocked(f"event-log-bucket: cannot make {unit.events}: {said[-1][:200] if said else 'no reason given'}")
    state.put("spark.events", mark)


def trust(chain, java_home):
    """Makes the store of trusted certificates: Java's own, and this chain. Whether there is one."""
    if not chain:
        files.remove(settings.TRUST)
        state.drop("spark.trust")
        return False
    wanted = files.digest(java_home, *chain)
    if state.get("spark.trust") == wanted and os.path.exists(settings.TRUST):
        return True
    status.maintenance("trusting the object store's certificate")
    fresh = f"{settings.TRUST}.new"
    with open(f"{java_home}/lib/security/cacerts", "rb") as store:
        files.write(fresh, store.read())
    for number, certificate in enumerate(chain):
        process.run(
            f"{java_home}/bin/keytool", "-importcert", "-noprompt", "-alias", f"object-store-{number}",
            "-keystore", fresh, "-storepass", settings.TRUST_WORD,
            data=certificate,
        )  # fmt: skip
    os.replace(fresh, settings.TRUST)
    state.put("spark.trust", wanted)
    return True


def write_account(name, account):
    """Writes a database account for jobs, readable for root and the user spark only; its path."""
    path = f"{settings.CONF}/{name}.json"
    if account is None:
        files.remove(path)
        return None
    files.write(path, json.dumps(account, indent=1, sort_keys=True) + "\n", mode=0o640, group=USER)
    return path


def _folders():
    """The worker's folder and the scratch folders: on storage where it is attached, else under /var/lib."""
    hook = tools.hook_name()
    kept = state.get("spark.storage")
    if kept is None or hook in _STORAGE_HOOKS or "-storage-" in hook:
        kept = {name: tools.storage_locations(name) for name in ("workspace", "cache")}
        state.put("spark.storage", kept)
    # A folder below the mount: the top of a file system holds lost+found and belongs to root.
    workspace, caches = settings.folders(kept["workspace"], kept["cache"])
    for folder in (workspace, *caches):
        files.folder(folder, owner=USER, group=USER)
    return workspace, caches


def _lines(option):
    try:
        return properties.parse(tools.config().get(option))
    except properties.BadLine as error:
        raise charm.Blocked(f"{option}: {error}") from error

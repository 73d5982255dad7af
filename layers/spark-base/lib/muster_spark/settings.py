"""Spark's settings as text, from one description of the unit."""

import re
import shlex

HOME = "/opt/spark"
CONF = "/etc/spark"
DEFAULTS = f"{CONF}/spark-defaults.conf"
ENV = f"{CONF}/spark-env.sh"
TRUST = f"{CONF}/truststore"
TRUST_WORD = "changeit"  # Certificates are public; Java only wants some word.
LOGS = "/var/log/spark"
DATA = "/var/lib/spark"
PYTHON = "/usr/bin/python3"

MASTER_PORT, MASTER_PAGE = 7077, 8080
WORKER_PORT, WORKER_PAGE = 7078, 8081
HISTORY_PAGE = 18080

_SIZE = re.compile(r"(\d+)\s*([kmgt])b?\Z", re.IGNORECASE)
_PER_MIB = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
# Left to the operating system and the daemons when a worker offers its machine; Spark's own rule.
_RESERVED_MIB = 1024
_LEAST_MIB = 512

_COMMON = ("spark.authenticate", "spark.rpc.", "spark.network.", "spark.ssl.", "spark.metrics.", "spark.acls.")
_READ_BY = {
    "master": (*_COMMON, "spark.deploy.", "spark.master.", "spark.ui.", "spark.dead", "spark.worker.timeout"),
    "worker": (*_COMMON, "spark.worker.", "spark.shuffle.", "spark.ui.", "spark.storage."),
    "history": (*_COMMON, "spark.history.", "spark.ui."),
}


class BadSetting(ValueError):
    """A value of the configuration cannot be used."""


class Unit:
    """All that the settings of one unit are made of."""

    def __init__(self, config, address, java_home, machine_mib, cores, workspace, caches, master=None):
        self.config = config
        self.address = address
        self.java_home = java_home
        self.machine_mib = machine_mib
        self.cores = cores
        self.workspace = workspace
        self.caches = caches
        self.master = master
        self.class_path = []
        self.s3a = {}
        self.trust = False
        self.events = f"{DATA}/events"
        self.cloud_committer = False
        self.extra = {}
        self.extra_env = {}


def size_mib(text, machine_mib, option):
    """A size such as 512m, 1g or 25% (of the machine's memory) in MiB."""
    text = str(text).strip()
    if text.endswith("%"):
        share = text[:-1].strip()
        if share.isdigit() and 0 < int(share) <= 100:
            return machine_mib * int(share) // 100
    match = _SIZE.match(text)
    if match:
        size = int(int(match[1]) * _PER_MIB[match[2].lower()])
        if size > 0:
            return size
    raise BadSetting(f"{option}: {text!r} is not a size such as 512m, 1g or 25%")


def worker_mib(unit):
    """What a worker offers: the setting, or what the machine has beyond the part kept for itself."""
    wanted = unit.config.get("worker-memory")
    if wanted:
        return size_mib(wanted, unit.machine_mib, "worker-memory")
    return max(_LEAST_MIB, unit.machine_mib - _RESERVED_MIB)


def worker_cores(unit):
    """The cores that a worker offers: the setting, or all that the machine may use."""
    wanted = unit.config.get("worker-cores") or 0
    if wanted < 0:
        raise BadSetting(f"worker-cores: {wanted} is below 0")
    return wanted or unit.cores


def executor_mib(unit):
    """The memory of an executor."""
    return size_mib(unit.config.get("executor_memory", "1g"), unit.machine_mib, "executor_memory")


def defaults(unit):
    """The properties of spark-defaults.conf."""
    config = unit.config
    found = {
        "spark.driver.host": unit.address,
        "spark.driver.bindAddress": unit.address,
        "spark.driver.memory": f"{size_mib(config.get('driver_memory', '1g'), unit.machine_mib, 'driver_memory')}m",
        "spark.executor.memory": f"{executor_mib(unit)}m",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.overwrite": "true",
        "spark.eventLog.dir": _url(unit.events),
        "spark.history.fs.logDirectory": _url(unit.events),
        "spark.history.ui.port": HISTORY_PAGE,
        "spark.history.retainedApplications": 50,
        "spark.history.fs.update.interval": "10s",
        "spark.local.dir": ",".join(unit.caches),
        "spark.pyspark.python": PYTHON,
        "spark.pyspark.driver.python": PYTHON,
        "spark.shuffle.service.enabled": _word(config.get("shuffle-enabled", True)),
    }
    if unit.master:
        found["spark.master"] = unit.master
    ttl = config.get("worker-cleanup-ttl", 604800)
    found["spark.worker.cleanup.enabled"] = _word(ttl > 0)
    if ttl > 0:
        found["spark.worker.cleanup.appDataTtl"] = ttl
    if unit.trust:
        found["spark.driver.extraJavaOptions"] = trust_options()
        found["spark.executor.extraJavaOptions"] = trust_options()
    for key, value in unit.s3a.items():
        found[f"spark.hadoop.{key}"] = value
    if unit.cloud_committer:
        found["spark.sql.sources.commitProtocolClass"] = "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol"
        found["spark.sql.parquet.output.committer.class"] = (
            "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter"
        )
    return {**found, **unit.extra}


def trust_options():
    """What makes a Java program trust the certificates in our store."""
    return f"-Djavax.net.ssl.trustStore={TRUST} -Djavax.net.ssl.trustStorePassword={TRUST_WORD}"


def folders(workspaces, caches):
    """The worker's folder and the scratch folders, from where the volumes of both storages are mounted.

    Spark takes one folder for applications; further volumes of `workspace` are scratch space beside `cache`.
    """
    workspace = f"{workspaces[0]}/apps" if workspaces else f"{DATA}/apps"
    scratch = [f"{location}/local" for location in (*caches, *workspaces[1:])]
    return workspace, scratch or [f"{DATA}/local"]


def environment(unit, hadoop_conf):
    """The variables of spark-env.sh."""
    found = {
        "JAVA_HOME": unit.java_home,
        "SPARK_HOME": HOME,
        "SPARK_CONF_DIR": CONF,
        "HADOOP_CONF_DIR": hadoop_conf,
        "SPARK_LOCAL_IP": unit.address,
        "SPARK_LOG_DIR": LOGS,
        "SPARK_PID_DIR": "/run/spark",
        "SPARK_LOCAL_DIRS": ",".join(unit.caches),
        "SPARK_WORKER_DIR": unit.workspace,
        "SPARK_WORKER_CORES": str(worker_cores(unit)),
        "SPARK_WORKER_MEMORY": f"{worker_mib(unit)}m",
        "SPARK_DAEMON_MEMORY": f"{size_mib(unit.config.get('daemon-memory', '512m'), unit.machine_mib, 'daemon-memory')}m",
        "PYSPARK_PYTHON": PYTHON,
        "PYSPARK_DRIVER_PYTHON": PYTHON,
    }
    if unit.class_path:
        found["SPARK_DIST_CLASSPATH"] = ":".join(unit.class_path)
    return {**found, **unit.extra_env}


def env_text(variables):
    """The text of spark-env.sh."""
    rows = [f"export {key}={shlex.quote(str(value))}\n" for key, value in sorted(variables.items())]
    return "# Written by the charm; changes are overwritten.\n" + "".join(rows)


def command(kind, unit):
    """The command line of a daemon that stays in the foreground."""
    spark_class = f"{HOME}/bin/spark-class"
    if kind == "master":
        name = "org.apache.spark.deploy.master.Master"
        return [spark_class, name, "--host", unit.address, "--port", MASTER_PORT, "--webui-port", MASTER_PAGE]
    if kind == "worker":
        name = "org.apache.spark.deploy.worker.Worker"
        ports = ["--host", unit.address, "--port", WORKER_PORT, "--webui-port", WORKER_PAGE]
        return [spark_class, name, *ports, unit.master]
    return [spark_class, "org.apache.spark.deploy.history.HistoryServer"]


def touches(kind, unit, variables):
    """The part of the settings that a daemon reads: when it differs, the daemon must be restarted.

    Drivers and executors read theirs when they start, so what only they read restarts nothing.
    """
    mine = {"JAVA_HOME", "SPARK_DAEMON_MEMORY", "SPARK_LOCAL_IP", *unit.extra_env}
    if kind == "worker":
        # A worker hands its own class path and folders on to the executors that it starts.
        mine |= {"SPARK_LOCAL_DIRS", "SPARK_WORKER_DIR", "SPARK_WORKER_CORES", "SPARK_WORKER_MEMORY"}
        mine |= {"SPARK_DIST_CLASSPATH"}
    read = _READ_BY[kind]
    on_s3 = kind == "history" and unit.events.startswith("s3a:")
    if on_s3:
        mine |= {"SPARK_DIST_CLASSPATH"}
    properties = {
        key: value
        for key, value in defaults(unit).items()
        if key.startswith(read) or (on_s3 and key.startswith("spark.hadoop."))
    }
    chosen = {key: value for key, value in variables.items() if key in mine}
    return repr(sorted(properties.items())) + repr(sorted(chosen.items()))


def _url(path):
    return path if "://" in path else f"file://{path}"


def _word(value):
    return "true" if value else "false"

"""Jobs: spark-submit run as the user spark, its words passed on, its results gathered."""

import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from muster_charm import charm, files, process, tools
from muster_hadoop import properties
from muster_layers import spark
from muster_spark import settings

_APPLICATION = re.compile(r"\bapp-\d{14}-\d{4,}\b|\blocal-\d{13}\b")
# What results may be called, and how long one that a job tells may be.
_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_RESERVED = ("stdout", "stdout-encoding", "stderr", "stderr-encoding")
_MOST = 30_000
_NAME = r"(?:[\w$]+\.)*\w*(?:Exception|Error)"
_JAVA = re.compile(rf"^: ({_NAME}: .+)$", re.MULTILINE)
_EXCEPTION = re.compile(rf"^({_NAME}: .+)$", re.MULTILINE)
_SHIPPED = {"word-count": "word_count.py", "pi": "pi.py"}
_USER = "spark"


class Job:
    """What is to be run."""

    def __init__(self, app, args=(), options=(), main_class=""):
        self.app = app
        self.args = list(args)
        self.options = list(options)
        self.main_class = main_class

    def command(self):
        """The command line. Nothing secret stands in it: keys are in spark-defaults.conf."""
        line = [f"{settings.HOME}/bin/spark-submit"]
        if self.main_class:
            line += ["--class", self.main_class]
        return [*line, *self.options, self.app, *self.args]


def run():
    """Runs the action that the environment names."""
    name = os.environ["JUJU_ACTION_NAME"]
    params = tools.action_get()
    if not os.path.exists(settings.DEFAULTS):
        raise charm.ActionFailed("Spark is not ready on this unit yet: see its status")
    if name in ("spark-pi", "sparkpi"):
        _attend(_pi(params.get("partitions", 10)), pi=r"Pi is roughly (\S+)")
    elif name == "smoke-test":
        found = _attend(_pi(2), pi=r"Pi is roughly (\S+)")
        if not found.get("pi", "").startswith("3."):
            raise charm.ActionFailed(f"pi is not {found.get('pi')!r}")
    elif name == "spark-submit":
        _attend(_named(params["job"], params.get("job-args", ""), params))
    else:
        _submit(params)


def _submit(params):
    job = _named(params["app"], params.get("args", ""), params)
    if params.get("input"):
        job.args = ["--input", params["input"], *job.args]
    output = params.get("output", "")
    if output:
        # A job refuses to write where something is; each action has a place of its own.
        output = f"{output.rstrip('/')}/{_task()}"
        job.args = ["--output", output, *job.args]
    if not params.get("wait", True):
        _begin(job)
        return
    _attend(job, **({"output": output} if output else {}))


def _named(app, args, params):
    if app in _SHIPPED:
        app = f"{spark.APPS}/{_SHIPPED[app]}"
    elif "://" not in app and not os.path.exists(app):
        known = ", ".join(sorted(_SHIPPED))
        raise charm.ActionFailed(f"there is no file {app!r} on this unit, and no shipped application of that name ({known})")
    try:
        return Job(app, shlex.split(args), shlex.split(params.get("options", "")), params.get("class", ""))
    except ValueError as error:
        raise charm.ActionFailed(f"args or options: {error}") from error


def _pi(partitions):
    folder = f"{settings.HOME}/examples/jars"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    jar = next((name for name in names if name.startswith("spark-examples")), None)
    if jar is None:
        # A tarball that was assembled from the PySpark package holds no compiled examples.
        return Job(f"{spark.APPS}/pi.py", [str(partitions)])
    return Job(f"{folder}/{jar}", [str(partitions)], main_class="org.apache.spark.examples.SparkPi")


def _task():
    return f"action-{os.environ.get('JUJU_ACTION_UUID') or int(time.time())}"


def _environment(result=None):
    java_home = properties_java_home()
    found = {
        "PATH": f"{java_home}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": settings.DATA,
        "USER": _USER,
        "LANG": "C.UTF-8",
        "JAVA_HOME": java_home,
        "SPARK_HOME": settings.HOME,
        "SPARK_CONF_DIR": settings.CONF,
        "MUSTER_DATABASE": f"{settings.CONF}/database.json",
        # An action may run in a control group that lies outside of what its machine has mounted; Java 17's
        # search for limits then ends in an exception and takes Spark's metrics with it. The driver's memory
        # is set anyway.
        "SPARK_SUBMIT_OPTS": "-XX:-UseContainerSupport",
    }
    if result:
        found["MUSTER_RESULT"] = result
    return found


def properties_java_home():
    """The JAVA_HOME in spark-env.sh, so that a job runs on what the daemons run on."""
    text = files.read(settings.ENV, "")
    lines = properties.parse("\n".join(row.removeprefix("export ") for row in text.splitlines()))
    words = shlex.split(lines.get("JAVA_HOME", ""))
    if not words:
        raise charm.ActionFailed("Spark is not set up on this unit yet: see its status")
    return words[0]


def _as_user(job):
    # The job ends with the action: when the action is killed, the driver is asked to stop.
    return [
        "setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups", "--pdeathsig=TERM", "--no-new-privs",
        "--", *job.command(),
    ]  # fmt: skip


def _attend(job, output=None, **patterns):
    """Runs a job to its end, passing its words on; what is reported as the action's results."""
    folder = tempfile.mkdtemp(prefix="spark-job-")
    result = os.path.join(folder, "result.json")
    shutil.chown(folder, _USER, _USER)
    log = f"{settings.LOGS}/{_task()}.log"
    begun = time.monotonic()
    try:
        code, found, reason = _follow(job, result, log, patterns)
        told = json.loads(files.read(result) or "{}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found |= {key: str(value)[:_MOST] for key, value in told.items() if _KEY.fullmatch(key) and key not in _RESERVED}
    found["duration"] = f"{time.monotonic() - begun:.1f}"
    found["log"] = log
    if output and code == 0:
        found["output"] = output
    tools.action_set(**{key.replace("-", "_"): value for key, value in found.items()})
    if code != 0:
        raise charm.ActionFailed(f"the job ended with exit code {code}{reason}: see {log} on this unit")
    return found


def _follow(job, result, log, patterns):
    found = {}
    reason = ""
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as kept:
        shutil.chown(log, _USER, _USER)
        driver = subprocess.Popen(
            _as_user(job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(result),
            cwd=settings.DATA,
        )
        signal.signal(signal.SIGTERM, lambda *_: driver.terminate())
        for is_output, lines in _chunks(driver):
            text = b"\n".join(lines).decode("utf-8", "replace")
            kept.write(text.encode() + b"\n")
            application = _APPLICATION.search(text)
            if application:
                found["application-id"] = application[0]
            if is_output:
                print(text, flush=True)
                for name, pattern in patterns.items():
                    match = re.search(pattern, text)
                    if match:
                        found[name] = match[1]
            # What a Python program says on standard error, spark-submit passes on as its output.
            reason = reason or why(text)
            tools.action_log(text)
        return driver.wait(), found, reason and f" ({reason})"


def why(text):
    """What made a job fail, by the driver's words; empty when they tell of no exception.

    The line below Python's own is Java's, and says more; what follows is how the end of the job upset others.
    """
    java = _JAVA.search(text)
    found = java or _EXCEPTION.search(text)
    return found[1][:300] if found else ""


def _chunks(driver, pause=0.5):
    """The driver's lines, as (is it standard output, lines), gathered for `pause` seconds at a time."""
    streams = {driver.stdout: [], driver.stderr: []}
    rests = {driver.stdout: b"", driver.stderr: b""}
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        told = time.monotonic()
        while selector.get_map():
            for key, _ in selector.select(timeout=pause):
                block = os.read(key.fd, 65536)
                if not block:
                    selector.unregister(key.fileobj)
                    if rests[key.fileobj]:
                        streams[key.fileobj].append(rests[key.fileobj])
                    continue
                *lines, rests[key.fileobj] = (rests[key.fileobj] + block).split(b"\n")
                streams[key.fileobj] += lines
            if time.monotonic() - told >= pause or not selector.get_map():
                told = time.monotonic()
                for stream, lines in streams.items():
                    if lines:
                        yield stream is driver.stdout, lines
                        streams[stream] = []


def _begin(job):
    """Starts a job that goes on after the action; the supervisor keeps it."""
    name = f"spark-job-{_task()}"
    log = f"{settings.LOGS}/{_task()}.log"
    if not os.path.isdir("/run/systemd/system"):
        raise charm.ActionFailed("wait=false needs systemd on the machine")
    environment = [f"--setenv={key}={value}" for key, value in _environment().items()]
    process.run(
        "systemd-run", "--quiet", "--collect", f"--unit={name}", f"--uid={_USER}", f"--gid={_USER}",
        f"--property=StandardOutput=append:{log}", f"--property=StandardError=append:{log}",
        f"--working-directory={settings.DATA}", *environment, "--", *job.command(),
    )  # fmt: skip
    tools.action_set(service=name, log=log)
    print(f"{name} has begun; its words go to {log}", file=sys.stdout)

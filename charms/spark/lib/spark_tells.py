"""Actions that tell something, or touch one daemon."""

import os

from muster_charm import charm, files, state, tools
from muster_hadoop import properties
from muster_layers import hadoop_base, service, spark, spark_base, tarball
from muster_spark import pages, settings


def run():
    """Runs the action that the environment names."""
    {
        "show-alignment": _alignment,
        "list-jobs": _jobs,
        "get-master-uri": _master,
        "restart-history-server": _restart_history,
    }[os.environ["JUJU_ACTION_NAME"]]()


def _alignment():
    known = state.get("spark.jars")
    if not known:
        raise charm.ActionFailed("no spark-tarball is unpacked on this unit yet")
    found = {
        "spark": state.get("spark.version") or "unknown",
        "hadoop-client": known["client"] or "none",
        "hadoop-aws": known["aws"] or "none",
        "sdk": known["sdk"] or "none",
        "aligned": "false" if known["problems"] else "true",
    }
    if known["problems"]:
        found["problems"] = "; ".join(known["problems"])
    for name, home in (("spark", settings.HOME), ("extra-jars", spark_base.EXTRA), ("hadoop", hadoop_base.HOME)):
        if os.path.isdir(home):
            found[f"tree.{name}"] = tarball.tree_digest(os.path.realpath(home))
    tools.call("action-set", *[f"{key}={value}" for key, value in found.items()])


def _jobs():
    jobs = pages.jobs(_page())[: tools.action_get().get("limit", 20)]
    for job in jobs:
        print("{:<26} {:<9} {:<10} {:>6} s  {}".format(job[0], job[2], job[3], job[4], job[1]))
    tools.action_set(count=len(jobs))


def _master():
    tools.action_set(master_uri=_uri())


def _uri():
    lines = properties.parse(files.read(settings.DEFAULTS, ""))
    uri = lines.get("spark.master", "")
    if not uri:
        raise charm.ActionFailed("this unit knows of no master yet: see its status")
    return uri


def _page():
    uri = _uri()
    if not uri.startswith("spark://"):
        raise charm.ActionFailed(f"there is no master: Spark runs as {uri}")
    try:
        return pages.ask(pages.host_of(uri), settings.MASTER_PAGE)
    except pages.NoAnswer as error:
        raise charm.ActionFailed(f"the master does not answer: {error}") from error


def _restart_history():
    name = spark.SERVICES["history"]
    if not service.active(name):
        raise charm.ActionFailed("the history server does not run on this unit")
    service.restart(name)

"""The Spark charm: who is master, who works, and what others are told."""

import importlib
import os
import socket

from muster_charm import charm, files, hook, state, status, tools
from muster_hadoop import jars
from muster_layers import s3_client, service, spark_base, tarball
from muster_s3 import settings as s3
from muster_spark import pages, settings
from relations.http import provides as http
from relations.mysql import requires as mysql
from relations.spark import provides as offers
from relations.spark import requires as masters

# The interface's name has a hyphen, as others know it.
quorum = importlib.import_module("relations.spark-quorum.peers")

SERVICES = {"master": "spark-master", "worker": "spark-worker", "history": "spark-history"}
_DESCRIPTIONS = {"master": "Spark master", "worker": "Spark worker", "history": "Spark history server"}
APPS = f"{settings.DATA}/apps.d"


@charm.on("stop")
def stop():
    """Stops and removes the daemons. The user's data stays."""
    for name in SERVICES.values():
        service.absent(name)


@charm.reconcile
def settle():
    """Makes this unit what the model wants it to be."""
    if tools.hook_name() in ("install", "upgrade-charm"):
        # Hooks that tell of relations and leadership follow these two.
        return
    mode = tools.config().get("spark_execution_mode", "standalone")
    if mode not in ("standalone", "local"):
        raise charm.Blocked(f"spark_execution_mode: {mode!r} is none of standalone, local")
    spark_base.require_alignment()
    _write_apps()
    cluster = Cluster(mode)
    if tools.hook_name().endswith("-relation-created") and not state.is_set("spark.begun"):
        # The master's address is told before there is a master, so that all units go on side by side.
        return
    state.set_flag("spark.begun")
    store = s3_client.settings()
    unit = spark_base.describe(_s3a(store), store["ca-chain"] if store else (), cluster.uri)
    cluster.uri = unit.master = cluster.uri or ("local[*]" if mode == "local" else None)
    account = _account()
    if mode == "local":
        _run_local(unit)
    else:
        _run_standalone(unit, cluster)
    _say_what_is_missing(store, account)


class Cluster:
    """Where the master is, and which part this unit has."""

    def __init__(self, mode):
        self.address = tools.ingress_address("spark")
        self.peers = next(iter(hook.relations("cluster")), None)
        self.other = next(iter(hook.relations("spark-worker")), None)
        self.leads = tools.is_leader() and self.other is None and mode == "standalone"
        self.generation = 0
        self.uri = None
        if mode != "standalone":
            return
        if self.other:
            self.uri = masters.master_uri(self.other.units)
        elif self.leads:
            self.uri = f"spark://{self.address}:{settings.MASTER_PORT}"
            self._announce()
        elif self.peers:
            announced = self.peers.application_data
            self.uri = announced.get("master_uri")
            self.generation = quorum.generation(announced)
        if self.uri and not self.leads and pages.host_of(self.uri) == self.address and not self.other:
            # This unit led until now, and its master is the one that was announced last.
            self.uri = None

    def _announce(self):
        if self.peers:
            known = self.peers.application_data
            news = quorum.announce(known, self.uri)
            self.peers.publish(news, app=True)
            self.generation = quorum.generation({**known, **news})
        tools.leader_set(master_uri=self.uri, master_ip=self.address)

    def works(self):
        """Whether this unit runs a worker."""
        if not self.leads:
            return True
        wanted = tools.config().get("worker-on-master", "auto")
        if wanted not in ("auto", "always", "never"):
            raise charm.Blocked(f"worker-on-master: {wanted!r} is none of auto, always, never")
        if wanted == "auto":
            return not self._has_others() or self._stands_in()
        return wanted == "always"

    def _stands_in(self):
        # The worker of a unit that was alone goes on until another unit's is there to take over.
        others = self.peers.units if self.peers else {}
        return not quorum.ready_workers(others) and os.path.exists(f"{service.UNITS}/{SERVICES['worker']}.service")

    def _has_others(self):
        # The goal counts units that are still on their way, so no worker is started only to be stopped.
        if self.peers and self.peers.units:
            return True
        try:
            units = (tools.ask("goal-state") or {}).get("units") or {}
        except (tools.ToolError, OSError):
            return False
        staying = [name for name, unit in units.items() if unit.get("status") not in ("dying", "dead")]
        return any(name != tools.unit_name() for name in staying)


def _s3a(store):
    """The S3A properties; none without an object store."""
    if store is None:
        return {}
    known = spark_base.libraries()
    if not known["aws"]:
        raise charm.Blocked("an object store is given, but no library holds hadoop-aws: attach extra-jars")
    aws, client = jars.numbers(known["aws"]), jars.numbers(known["client"] or known["aws"])
    committer = tools.config().get("s3-committer", "directory")
    try:
        # The scratch folders of the machine at hand, which differ from unit to unit.
        return s3.properties(store, committer, "${env.SPARK_LOCAL_DIRS:-%s/local}" % settings.DATA, aws, client)
    except s3.BadSetting as error:
        raise charm.Blocked(str(error)) from error


def _run_local(unit):
    service.require_supervisor()
    variables = spark_base.write(unit)
    service.absent(SERVICES["master"])
    service.absent(SERVICES["worker"])
    _daemon("history", unit, variables, wanted=bool(tools.config().get("history-enabled", True)))
    tools.ports([f"{settings.HISTORY_PAGE}/tcp"] if tools.config().get("history-enabled", True) else [])
    _offer_history(unit, bool(tools.config().get("history-enabled", True)))
    status.active("ready (local)")


def _run_standalone(unit, cluster):
    service.require_supervisor()
    if unit.master is None:
        # The worker keeps its old master until there is a new one; a master that no longer leads ends.
        _end_master()
        raise charm.Waiting("waiting for master")
    works = cluster.works()
    if works:
        _check_sizes(unit)
    variables = spark_base.write(unit)
    if cluster.leads:
        spark_base.make_events(unit)
    history = cluster.leads and bool(tools.config().get("history-enabled", True))
    restarted = False
    if cluster.leads:
        done = _daemon("master", unit, variables)
        restarted = done == "restarted"
        if done and cluster.peers:
            cluster.peers.publish(quorum.begun(cluster.peers.application_data), app=True)
    else:
        _end_master()
    if works:
        if not cluster.leads and not service.active(SERVICES["worker"]):
            # A worker that finds no master asks again only after 5 to 15 seconds: better that it starts a little later.
            service.wait_for(lambda: _listens(pages.host_of(unit.master), settings.MASTER_PORT), 20)
        _daemon("worker", unit, variables, str(cluster.generation))
    else:
        service.absent(SERVICES["worker"])
    if history:
        _daemon("history", unit, variables)
    else:
        service.absent(SERVICES["history"])
    registered = works and _wait_for_worker(unit)
    for home in (settings.HOME, spark_base.EXTRA):
        tarball.prune(home)
    _ports(cluster.leads, works, history)
    role = ",".join(part for part, has in (("master", cluster.leads), ("worker", works)) if has)
    if cluster.peers:
        cluster.peers.publish(quorum.member(role, unit.address, registered))
        if restarted:
            _wait_for_others(unit, len(quorum.ready_workers(cluster.peers.units)))
    _offer_master(unit, cluster)
    _offer_history(unit, history)
    _say_ready(unit, cluster, works, registered)


def _daemon(kind, unit, variables, *further, wanted=True):
    if not wanted:
        service.absent(SERVICES[kind])
        return None
    environment = {"SPARK_CONF_DIR": settings.CONF, "SPARK_HOME": settings.HOME, "JAVA_HOME": unit.java_home}
    if kind == "history" and unit.trust and unit.events.startswith("s3a:"):
        environment["SPARK_DAEMON_JAVA_OPTS"] = settings.trust_options()
    text = service.unit_text(
        _DESCRIPTIONS[kind],
        settings.command(kind, unit),
        user=spark_base.USER,
        environment=environment,
        service={
            "Group": spark_base.USER,
            "UMask": "0027",
            "WorkingDirectory": settings.DATA,
            "NoNewPrivileges": "yes",
            # Java ends with 128 + SIGTERM when it is asked to stop.
            "SuccessExitStatus": "143",
            **({"Nice": "5"} if kind == "history" else {}),
        },
    )
    trees = state.get("spark.trees")
    # The master runs on Spark's own libraries alone; of the added ones nothing reaches it.
    trees = repr(trees[:1] if kind == "master" else trees)
    name = SERVICES[kind]
    done = service.ensure(name, text, [settings.touches(kind, unit, variables), trees, *further])
    if done and kind == "master":
        service.wait_until(lambda: _answers(unit.address, settings.MASTER_PAGE), name)
    return done


def _end_master():
    service.absent(SERVICES["master"])
    service.absent(SERVICES["history"])


def _answers(address, port):
    try:
        return pages.ask(address, port, seconds=1).get("status") == "ALIVE"
    except pages.NoAnswer:
        return False


def _listens(host, port):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


def _wait_for_others(unit, count):
    """Gives workers the time to come back to a master that was restarted: they ask every 5 to 15 seconds."""

    def are_back():
        try:
            return len(pages.alive_workers(pages.ask(unit.address, settings.MASTER_PAGE))) >= count
        except pages.NoAnswer:
            return False

    service.wait_for(are_back, 30)


def _wait_for_worker(unit):
    """Whether the master counts on this unit's worker, giving one that has just started its time."""
    host = pages.host_of(unit.master)

    def registered():
        try:
            return pages.is_registered(pages.ask(host, settings.MASTER_PAGE, seconds=2), unit.address)
        except pages.NoAnswer:
            return False

    if registered():
        return True
    if not service.active(SERVICES["worker"]):
        return False
    # A master that does not answer now may be on its way; the wait is short then, and the next hook looks again.
    seconds = 30 if _answers(host, settings.MASTER_PAGE) else 5
    return service.wait_for(registered, seconds)


def _check_sizes(unit):
    try:
        executor, worker = settings.executor_mib(unit), settings.worker_mib(unit)
    except settings.BadSetting as error:
        raise charm.Blocked(str(error)) from error
    if executor > worker:
        raise charm.Blocked(f"executor_memory is {executor} MiB, but the worker offers only {worker} MiB")


def _ports(master, works, history):
    wanted = []
    if master:
        wanted += [f"{settings.MASTER_PORT}/tcp", f"{settings.MASTER_PAGE}/tcp"]
    if works:
        wanted += [f"{settings.WORKER_PORT}/tcp", f"{settings.WORKER_PAGE}/tcp"]
    if history:
        wanted.append(f"{settings.HISTORY_PAGE}/tcp")
    tools.ports(wanted)


def _offer_master(unit, cluster):
    for remote in hook.relations("spark-master"):
        remote.publish(offers.offer(unit.master, unit.address) if cluster.leads else offers.nothing())


def _offer_history(unit, runs):
    for remote in hook.relations("history-server"):
        values = http.offer(unit.address, settings.HISTORY_PAGE)
        remote.publish(values if runs else {"hostname": None, "port": None})


def _account():
    """Writes the database account for jobs; it, or None."""
    found = None
    for remote in hook.relations("database"):
        remote.publish(mysql.request(tools.config().get("database-name") or "test"))
        found = mysql.account(remote.units)
    spark_base.write_account("database", found)
    return found


def _say_ready(unit, cluster, works, registered):
    if not cluster.leads:
        if registered:
            status.active("ready (worker)")
        else:
            status.waiting(f"waiting for the master at {pages.host_of(unit.master)}")
        return
    try:
        alive = len(pages.alive_workers(pages.ask(unit.address, settings.MASTER_PAGE)))
    except pages.NoAnswer:
        status.waiting("waiting for the master to answer")
        return
    if alive == 0:
        status.waiting("waiting for workers")
        return
    both = " and worker" if works else ""
    status.active(f"ready (standalone - master{both}), {alive} worker{'' if alive == 1 else 's'}")


def _say_what_is_missing(store, account):
    if store is None and s3_client.asked():
        status.waiting("waiting for s3-credentials")
    if account is None and tools.relation_ids("database"):
        status.waiting("waiting for database")


def _write_apps():
    """Puts the shipped applications where the user spark can read them; the charm's folder may be closed to it."""
    source = os.path.join(os.environ["CHARM_DIR"], "apps")
    files.folder(APPS)
    for name in sorted(os.listdir(source)):
        if name.endswith(".py"):
            with open(os.path.join(source, name), "rb") as file:
                files.write(f"{APPS}/{name}", file.read())


@charm.action("submit", "spark-submit", "spark-pi", "sparkpi", "smoke-test")
def run_job():
    """Actions that run a job."""
    import spark_jobs  # only actions pay for it

    spark_jobs.run()


@charm.action("show-alignment", "list-jobs", "get-master-uri", "restart-history-server")
def tell():
    """Actions that tell something, or touch one daemon."""
    import spark_tells

    spark_tells.run()

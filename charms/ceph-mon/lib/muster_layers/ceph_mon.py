"""The monitors of a Ceph cluster.

How a cluster comes to be: the leader writes the cluster's id and first keys into the application's
bag of the peer relation, and names the unit that shall make the first monitor. Only in a later hook,
when these are sure to be kept, does that unit make it; so a hook that fails can be run again without
a second cluster. All other units join the quorum that they find.
"""

import os
import re
import shutil
import uuid

from muster_charm import charm, files, hook, process, state, status, tools
from muster_layers import ceph_base, debian_service, service

PEERS = "mon"
STORAGE = "/srv/ceph-mon"
DATA = "/var/lib/ceph/mon"
LEFT = "ceph-mon.left"
PORTS = ["3300/tcp", "6789/tcp"]
ADMIN_CAPS = {service_name: "allow *" for service_name in ("mon", "osd", "mgr")}
REMOVAL_CAPS = ", ".join(f'allow command "{verb}"' for verb in ("osd out", "osd in", "osd purge-actual", "osd dump"))
RADOSGW_CAPS = ("mon", "allow rw", "osd", "allow rwx")
# Proposals wait for companions by default, a second each time: a new pool takes several of them.
FAST_PAXOS = {"paxos_propose_interval": "0.05", "paxos_min_wait": "0.02"}
# On a small disk the defaults stop the monitor (5 %) or make it warn for ever (30 %).
SMALL_DISK = {"mon_data_avail_warn": "2", "mon_data_avail_crit": "1"}
_RADOSGW_KEY = re.compile(r"rgw\.[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DOMAINS = ("osd", "host")


class Site:
    """What this unit knows of the cluster, read once in a hook."""

    def __init__(self, peer):
        self.peer = peer
        self.shared = tools.relation_get(peer.id, tools.application_name(), app=True)
        self.name = ceph_base.unit_id()
        self.address = tools.ingress_address("public")
        self._osds_up = None

    @property
    def fsid(self):
        """The cluster's id; None until the leader has written it."""
        return self.shared.get("fsid")

    @property
    def data(self):
        """The folder of this monitor's store."""
        return data_folder(self.name)

    def members(self):
        """The addresses of the other monitors that are in the quorum, by unit."""
        return {
            unit: bag["ceph-public-address"]
            for unit, bag in self.peer.units.items()
            if bag.get("in-quorum") and bag.get("ceph-public-address")
        }

    def osds_up(self):
        """How many OSDs are up."""
        if self._osds_up is None:
            self._osds_up = ceph_base.ask("osd", "stat")["num_up_osds"]
        return self._osds_up


def data_folder(name):
    """Where the store of the monitor is: on the storage, if there is one, else below /var/lib/ceph."""
    attached = tools.storage_ids("mon-data") or os.path.ismount(STORAGE)
    return f"{STORAGE if attached else DATA}/ceph-{name}"


def daemon_name(name):
    """The name of the monitor's daemon."""
    return f"ceph-mon@{name}"


@charm.on("install", "upgrade-charm")
def tell_version():
    """Shows the version of the packages."""
    version = ceph_base.version("ceph-mon")
    if version:
        tools.application_version_set(version)


@charm.reconcile
def settle():
    """From whatever there is to a monitor in the quorum, and related units with their keys."""
    if ceph_base.leaving():
        return
    if state.is_set(LEFT):
        raise charm.Blocked("the storage mon-data is gone, and with it this monitor: remove the unit")
    peers = hook.relations(PEERS)
    if not peers:
        raise charm.Waiting("waiting for the peer relation")
    check_config(tools.config())
    site = Site(peers[0])
    site.peer.publish({"ceph-public-address": site.address, "mon-id": site.name})
    agree(site)
    make_monitor(site)
    run_monitor(site)
    told = join(site)
    if tools.is_leader():
        govern(site)
    serve(site)
    tell(site, in_quorum(site) or told)


def check_config(config):
    """Raises Blocked when an option has a value that cannot be."""
    if not 1 <= config["replicas"] <= 10:
        raise charm.Blocked("replicas must be from 1 to 10")
    if not 1 <= config["placement-groups"] <= 4096:
        raise charm.Blocked("placement-groups must be from 1 to 4096")
    if config["failure-domain"] not in _DOMAINS:
        raise charm.Blocked("failure-domain must be osd or host")
    wanted = config.get("fsid")
    if wanted:
        try:
            uuid.UUID(wanted)
        except ValueError as error:
            raise charm.Blocked("fsid must be a UUID") from error


# The keys, and which unit makes the first monitor


def agree(site):
    """Sees to it that the cluster has an id and keys; raises Waiting until they are sure to be kept."""
    if site.fsid:
        if tools.is_leader() and not site.shared.get("bootstrapped"):
            name_another_seed(site)
        return
    if tools.is_leader():
        site.peer.publish(
            {
                "fsid": tools.config().get("fsid") or str(uuid.uuid4()),
                "mon-key": ceph_base.new_key(),
                "admin-key": ceph_base.new_key(),
                "seed": tools.unit_name(),
            },
            app=True,
        )
        # Nothing is made of these keys before the hook has ended well: else a failed hook would
        # leave a monitor whose keys nobody else ever learns.
        raise charm.Waiting("the cluster's keys are being recorded")
    raise charm.Waiting("waiting for the leader to make the cluster's keys")


def name_another_seed(site):
    """Lets this unit make the first monitor when the one that should have has gone."""
    there = {tools.unit_name(), *site.peer.units}
    if site.members() or site.shared.get("seed") in there:
        return
    site.peer.publish({"seed": tools.unit_name()}, app=True)
    site.shared["seed"] = tools.unit_name()


# The monitor


def make_monitor(site):
    """Makes the monitor's store, unless there is one."""
    done = os.path.join(site.data, "done")
    found = files.read(done)
    if found is not None:
        if found.strip() != site.fsid:
            raise charm.Blocked(f"{site.data} holds a monitor of another cluster ({found.strip()})")
        write_files(site)
        return
    members = site.members()
    first = site.shared.get("seed") == tools.unit_name() and not site.shared.get("bootstrapped")
    if not members and not first:
        raise charm.Waiting(f"waiting for {site.shared.get('seed')} to make the first monitor")
    status.maintenance("making the monitor's store")
    write_files(site)
    if os.path.isdir(site.data):
        shutil.rmtree(site.data)  # left by a run that was interrupted: never part of a quorum
    files.folder(os.path.dirname(site.data), 0o755, ceph_base.OWNER, ceph_base.OWNER)
    files.folder(site.data, 0o750, ceph_base.OWNER, ceph_base.OWNER)
    monmap = os.path.join(ceph_base.folder(), "monmap")
    files.remove(monmap)
    if members:
        ceph_base.command("mon", "getmap", "-o", monmap)
    else:
        process.run(
            "monmaptool", "--create", "--clobber", "--fsid", site.fsid,
            "--addv", site.name, ceph_base.mon_host([site.address]), monmap, seconds=30,
        )  # fmt: skip
    process.run(
        "ceph-mon", "--id", site.name, "--mkfs", "--monmap", monmap, "--keyring", mon_keyring_path(),
        "--setuser", ceph_base.OWNER, "--setgroup", ceph_base.OWNER,
        environment={"CEPH_CONF": ceph_base.conf_path()}, seconds=120,
    )  # fmt: skip
    files.write(done, site.fsid + "\n", 0o644, ceph_base.OWNER, ceph_base.OWNER)
    files.remove(monmap)


def mon_keyring_path():
    """The keyring with which a monitor's store is made."""
    return os.path.join(ceph_base.folder(), "mon.keyring")


def write_files(site):
    """Writes the configuration and the keyrings."""
    ceph_base.make_folder()
    admin = ceph_base.keyring("client.admin", site.shared["admin-key"], ADMIN_CAPS)
    admin_path = ceph_base.write_secret("admin.keyring", admin)
    ceph_base.write_secret(
        "mon.keyring", ceph_base.keyring("mon.", site.shared["mon-key"], {"mon": "allow *"}) + admin
    )
    files.write(ceph_base.conf_path(), configuration(site, admin_path), 0o640, "root", ceph_base.OWNER)
    if not os.path.exists("/etc/ceph/ceph.conf"):
        # For the person at this machine: `ceph` without more words talks to this cluster.
        files.link(ceph_base.conf_path(), "/etc/ceph/ceph.conf")


def configuration(site, admin_path):
    """The text of ceph.conf."""
    members = site.members()
    mine = [] if members and not os.path.exists(os.path.join(site.data, "done")) else [site.address]
    sections = {
        "global": ceph_base.global_section(site.fsid, sorted({*members.values(), *mine})),
        "mon": {**FAST_PAXOS, **SMALL_DISK},
        f"mon.{site.name}": {"mon_data": site.data, "public_addr": site.address},
        "client.admin": {"keyring": admin_path},
    }
    return ceph_base.conf(ceph_base.merge_flags(sections, tools.config().get("config-flags")))


def run_monitor(site):
    """Starts the monitor, and restarts it when one of its own settings changed."""
    drop_in = {
        "Unit": ceph_base.PATIENT["Unit"],
        "Service": [*ceph_base.PATIENT["Service"], f"Environment=CEPH_CONF={ceph_base.conf_path()}"],
    }
    # Where the other monitors are is not among what it depends on: it knows them from its own store.
    depends = [site.fsid, site.address, site.data, tools.config().get("config-flags") or ""]
    debian_service.ensure(daemon_name(site.name), drop_in, depends)
    tools.ports(PORTS)


def join(site):
    """Waits until the monitor is in the quorum, for a while; raises Waiting when it is not.

    What the monitor told of itself is the answer.
    """
    told = ceph_base.await_daemon(
        lambda: in_quorum(site), daemon_name(site.name), "waiting for a quorum of the monitors"
    )
    site.peer.publish({"in-quorum": "1"})
    return told


def in_quorum(site):
    """What this monitor tells of itself when it is in the quorum; None when it is not."""
    told = ceph_base.daemon(f"mon.{site.name}", "mon_status")
    return told if told and told.get("state") in ("leader", "peon") else None


# What the leader does for the cluster


def govern(site):
    """The cluster's own settings, its pools, and monitors that went without leaving.

    New pools follow the cluster's settings by themselves, so nothing is asked again until the
    configuration or the units differ from those that were last seen through.
    """
    if not site.shared.get("bootstrapped"):
        site.peer.publish({"bootstrapped": "1"}, app=True)
    config = tools.config()
    wanted = [str(config[name]) for name in ("replicas", "failure-domain", "placement-groups")]
    seen = files.digest(*wanted, *site.peer.units)
    if state.get("governed") == seen:
        return
    status.maintenance("setting the cluster up")
    remove_lost_monitors(site)
    replicas = config["replicas"]
    rule = make_rule(config["failure-domain"])
    set_options(
        {
            ("global", "osd_pool_default_size"): str(replicas),
            ("global", "osd_pool_default_min_size"): str(min_size(replicas)),
            ("global", "osd_pool_default_pg_num"): str(config["placement-groups"]),
            ("global", "osd_pool_default_pgp_num"): str(config["placement-groups"]),
            ("global", "osd_pool_default_crush_rule"): str(rule[1]),
            ("mon", "auth_allow_insecure_global_id_reclaim"): "false",
            ("mon", "mon_allow_pool_size_one"): "true",
            ("mon", "mon_warn_on_pool_no_redundancy"): "true" if replicas > 1 else "false",
        }
    )
    for pool in ceph_base.ask("osd", "pool", "ls", "detail"):
        align_pool(pool, replicas, rule)
    # There is no manager on purpose; a warning that never goes away hides those that matter.
    ceph_base.command("health", "mute", "MGR_DOWN", "--sticky", check=False)
    state.put("governed", seen)


def min_size(replicas):
    """How many copies must be there for writing: more than half of them."""
    return replicas - replicas // 2 if replicas > 2 else 1


def set_options(wanted):
    """Writes options into the cluster's own store of options, those that differ."""
    now = {(one["section"], one["name"]): one["value"] for one in ceph_base.ask("config", "dump")}
    for (section, name), value in wanted.items():
        if not same_option(now.get((section, name)), value):
            ceph_base.command("config", "set", section, name, value)


def same_option(now, wanted):
    """Whether an option has this value, whichever way it is spelt."""
    spelt = {"true": "1", "false": "0"}
    return now is not None and spelt.get(now.lower(), now) == spelt.get(wanted, wanted)


def make_rule(domain):
    """Makes the placement rule for this failure domain if it is missing; its name and number."""
    name = f"replicated-{domain}"
    rules = crush_rules()
    if name not in rules:
        ceph_base.command("osd", "crush", "rule", "create-replicated", name, "default", domain)
        rules = crush_rules()
    return name, rules[name]


def crush_rules():
    """The numbers of the placement rules by name."""
    return {rule["rule_name"]: rule["rule_id"] for rule in ceph_base.ask("osd", "crush", "rule", "dump")}


def align_pool(pool, replicas, rule):
    """Gives a pool the wanted number of copies and placement rule, where they differ."""
    name = pool["pool_name"]
    if pool["crush_rule"] != rule[1]:
        ceph_base.command("osd", "pool", "set", name, "crush_rule", rule[0])
    if pool["size"] != replicas:
        sure = ["--yes-i-really-mean-it"] if replicas == 1 else []
        ceph_base.command("osd", "pool", "set", name, "size", str(replicas), *sure)
    if pool["min_size"] != min_size(replicas):
        ceph_base.command("osd", "pool", "set", name, "min_size", str(min_size(replicas)))


def remove_lost_monitors(site):
    """Takes monitors out of the map whose units are gone."""
    there = {site.name, *(unit.replace("/", "-") for unit in site.peer.units)}
    mine = tools.application_name() + "-"
    for monitor in ceph_base.ask("mon", "dump")["mons"]:
        name = monitor["name"]
        if name not in there and name.startswith(mine) and name[len(mine) :].isdigit():
            ceph_base.command("mon", "remove", name)


# Related units


def serve(site):
    """Hands the cluster's address and keys to related units."""
    basics = {"fsid": site.fsid, "auth": "cephx", "ceph-public-address": site.address}
    for remote in hook.relations("osd"):
        serve_osds(remote, basics)
    gateways = hook.relations("radosgw")
    if gateways and site.osds_up() >= tools.config()["replicas"]:
        for remote in gateways:
            serve_gateways(remote, basics)
    for remote in hook.relations("admin"):
        remote.publish({**basics, "key": site.shared["admin-key"]})


def serve_osds(remote, basics):
    """Gives what is needed to make OSDs, and to take them out again."""
    own = remote.own()
    keys = {name: own.get(name) for name in ("osd_bootstrap_key", "osd_removal_key")}
    if not all(keys.values()):
        keys = {
            "osd_bootstrap_key": client_key("client.bootstrap-osd", "mon", "allow profile bootstrap-osd"),
            "osd_removal_key": client_key("client.osd-removal", "mon", REMOVAL_CAPS),
        }
    remote.publish({**basics, **keys})


def serve_gateways(remote, basics):
    """Gives each gateway a key of its own, under the name that it asks for."""
    own = remote.own()
    values = dict(basics)
    wanted = set()
    for unit, bag in remote.units.items():
        name = bag.get("key_name")
        if not name:
            continue
        if not _RADOSGW_KEY.fullmatch(name):
            tools.log(f"{unit} asks for a key that no gateway may have: {name!r}", "WARNING")
            continue
        wanted.add(f"{name}_key")
        values[f"{name}_key"] = own.get(f"{name}_key") or client_key(f"client.{name}", *RADOSGW_CAPS)
    for key in own:
        if key.startswith("rgw.") and key.endswith("_key") and key not in wanted:
            values[key] = None
    remote.publish(values)


def client_key(entity, *caps):
    """The key of an entity, which is made if there is none."""
    return ceph_base.ask("auth", "get-or-create", entity, *caps)[0]["key"]


@charm.on("radosgw-relation-departed")
def forget_gateway():
    """Takes the key of a gateway away once its unit has gone."""
    unit = os.environ.get("JUJU_REMOTE_UNIT")
    if not unit or ceph_base.leaving() or not tools.is_leader():
        return
    name = tools.relation_get(os.environ["JUJU_RELATION_ID"], unit).get("key_name")
    if name and _RADOSGW_KEY.fullmatch(name):
        ceph_base.command("auth", "rm", f"client.{name}", check=False)


def tell(site, told):
    """The status, from what the monitor told of itself and from the map of OSDs."""
    monitors = f"{len(told['quorum'])} of {len(told['monmap']['mons'])} monitors in quorum"
    if not hook.relations("osd"):
        raise charm.Blocked(f"needs OSDs: integrate {tools.application_name()}:osd with ceph-osd")
    up, wanted = site.osds_up(), tools.config()["replicas"]
    if up < wanted:
        raise charm.Waiting(f"waiting for OSDs: {up} of at least {wanted} up")
    status.active(f"{monitors}, {up} OSD{'s' if up > 1 else ''} up")


# Leaving


@charm.on("mon-data-storage-detaching", "stop")
def leave():
    """Leaves the quorum, so that the others need not miss this monitor, and removes its store.

    When the store is on a storage this must be done while it is there: a daemon that still ran would
    keep it from being unmounted. A store is of no use to anybody else, so none is left on it.
    """
    if not state.is_set(LEFT):
        leave_quorum()
        state.set_flag(LEFT)
    if tools.hook_name() != "stop":
        return
    if os.path.islink("/etc/ceph/ceph.conf") and os.readlink("/etc/ceph/ceph.conf") == ceph_base.conf_path():
        files.remove("/etc/ceph/ceph.conf")
    ceph_base.remove_folder()
    tools.ports([])


def leave_quorum():
    """Takes the monitor out of the map if others stay, stops it, and removes its store."""
    name = ceph_base.unit_id()
    if ceph_base.staying() and service.active(daemon_name(name)):
        try:
            ceph_base.command("mon", "remove", name)
        except process.CommandError as error:
            tools.log(f"left without being taken out of the map: {error}", "WARNING")
    debian_service.absent(daemon_name(name))
    for place in (STORAGE, DATA):
        data = f"{place}/ceph-{name}"
        if os.path.isdir(data):
            shutil.rmtree(data)


# Actions


@charm.action("get-health")
def get_health():
    """Tells the cluster's health."""
    told = ceph_base.ask("health", "detail")
    checks = {code: check for code, check in told.get("checks", {}).items() if not check.get("muted")}
    reasons = [f"{code}: {check['summary']['message']}" for code, check in checks.items()]
    tools.action_set(status=told["status"], reasons="\n".join(reasons) or "none")


@charm.action("get-quorum-status")
def get_quorum_status():
    """Tells the monitors and the quorum."""
    told = ceph_base.ask("quorum_status")
    tools.action_set(
        monitors=" ".join(one["name"] for one in told["monmap"]["mons"]),
        quorum=" ".join(told["quorum_names"]),
        leader=told["quorum_leader_name"],
    )


@charm.action("list-pools")
def list_pools():
    """Tells the pools."""
    pools = ceph_base.ask("osd", "pool", "ls", "detail")
    lines = [f"{p['pool_name']}: size {p['size']}, min_size {p['min_size']}, pg_num {p['pg_num']}" for p in pools]
    tools.action_set(pools="\n".join(lines) or "none")


@charm.action("purge-osd")
def purge_osd():
    """Removes an OSD from the map."""
    params = tools.action_get()
    if params.get("i-really-mean-it") is not True:
        raise charm.ActionFailed("this cannot be undone: repeat with i-really-mean-it=true")
    number = int(params["osd"])
    up = {one["osd"] for one in ceph_base.ask("osd", "dump")["osds"] if one["up"]}
    if number in up:
        raise charm.ActionFailed(f"osd.{number} is up: remove its unit instead")
    # `osd purge` is the manager daemon's, and would never answer here.
    ceph_base.command("osd", "purge-actual", str(number), "--yes-i-really-mean-it")
    tools.action_set(purged=number)

"""OSDs: one for each attached device, or one in a file.

Whether a unit uses devices or a file is decided once, when its first OSD is made, and kept: a
device that is taken away never makes a file take its place.
"""

import os
import shutil
import time

from ceph_osd import device
from ceph_osd.slot import FILE, Slot, slot_name, slots
from muster_charm import charm, files, hook, process, state, status, tools
from muster_layers import ceph_base, debian_service, service

STORAGE = "osd-devices"
DATA = "/var/lib/ceph/osd"
REMOVAL = "client.osd-removal"
BOOTSTRAP = "client.bootstrap-osd"
SMALLEST = 1 << 30
SMALLEST_MEMORY = 896 << 20


@charm.on("install", "upgrade-charm")
def tell_version():
    """Shows the version of the packages."""
    version = ceph_base.version("ceph-osd")
    if version:
        tools.application_version_set(version)


@charm.reconcile
def settle():
    """From devices and the monitors' data to OSDs that are up."""
    if ceph_base.leaving():
        return
    sizes = check_config(tools.config())
    relation = next(iter(hook.relations("mon")), None)
    if relation is None:
        raise charm.Blocked(f"needs monitors: integrate {tools.application_name()}:mon with ceph-mon")
    cluster = ceph_base.monitors(relation.units)
    if not cluster or not cluster.get("osd_bootstrap_key"):
        raise charm.Waiting(f"waiting for the cluster's keys from {relation.application or 'the monitors'}")
    begun = slots(slots_root())
    foreign = [slot for slot in begun if slot.fsid != cluster["fsid"]]
    if foreign:
        raise charm.Blocked(f"the OSDs here belong to another cluster ({foreign[0].fsid})")
    write_files(cluster, sizes)
    places = wanted_places(begun)
    for name, location in places.items():
        make(Slot(name, slots_root()), location, cluster, sizes)
    running = [slot for slot in slots(slots_root()) if slot.name in places and slot.id is not None]
    for slot in running:
        run(slot, cluster, sizes)
    up = [slot for slot in running if wait_for(slot)]
    relation.publish({"bootstrapped-osds": str(len(up))})
    if not up:
        raise charm.Blocked(f"has no device: attach storage, such as muster add-storage {tools.unit_name()} {STORAGE}")
    status.active(f"up: {', '.join(f'osd.{slot.id}' for slot in up)}")


def slots_root():
    """Where this unit's slots are."""
    return os.path.join(ceph_base.folder(), "osds")


def check_config(config):
    """The sizes that were asked for, in bytes; raises Blocked when one cannot be."""
    sizes = {}
    for name, least in (("osd-size", SMALLEST), ("osd-memory-target", SMALLEST_MEMORY)):
        try:
            sizes[name] = device.size(str(config[name]))
        except ValueError as error:
            raise charm.Blocked(f"{name}: {error}") from error
        if sizes[name] < least:
            raise charm.Blocked(f"{name} must be at least {least >> 20}M")
    return sizes


def write_files(cluster, sizes):
    """Writes the configuration and the keyrings."""
    ceph_base.make_folder()
    files.folder(slots_root(), 0o700)
    bootstrap = ceph_base.write_secret(
        "bootstrap.keyring", ceph_base.keyring(BOOTSTRAP, cluster["osd_bootstrap_key"])
    )
    removal = ceph_base.write_secret(
        "removal.keyring", ceph_base.keyring(REMOVAL, cluster.get("osd_removal_key", ""))
    )
    sections = {
        "global": ceph_base.global_section(cluster["fsid"], cluster["addresses"]),
        BOOTSTRAP: {"keyring": bootstrap},
        REMOVAL: {"keyring": removal},
        "osd": osd_section(sizes),
    }
    text = ceph_base.conf(ceph_base.merge_flags(sections, tools.config().get("config-flags")))
    files.write(ceph_base.conf_path(), text, 0o640, "root", ceph_base.OWNER)


def osd_section(sizes):
    """The settings of the OSDs."""
    address = tools.ingress_address("public")
    return {
        "osd_objectstore": "bluestore",
        "bluestore_block_size": sizes["osd-size"],
        "bluestore_block_db_create": "false",
        "bluestore_block_wal_create": "false",
        "osd_memory_target": sizes["osd-memory-target"],
        "public_addr": address,
        "cluster_addr": address,
    }


def wanted_places(begun):
    """Where OSDs shall be: the device (or None for the file) by the name of the slot."""
    devices = {}
    for storage in tools.storage_ids(STORAGE):
        told = tools.storage_get(storage)
        if told and told.get("location"):
            devices[slot_name(storage)] = told["location"]
    kind = state.get("osd.kind")
    if kind is None:
        kind = "devices" if devices else FILE
        state.put("osd.kind", kind)
    if any(slot.name == FILE for slot in begun) or (kind == FILE and not begun):
        return {FILE: None, **devices}
    return devices


# Making an OSD


def make(slot, location, cluster, sizes):
    """Makes the OSD of a slot, from wherever an earlier attempt stopped."""
    if location:
        refuse_foreign(slot, location)
    slot.begin(cluster["fsid"])
    if slot.id is None:
        status.maintenance(f"making an OSD on {slot.storage or 'a file'}")
        told = ceph_base.command("osd", "new", slot.uuid, entity=BOOTSTRAP, data=slot.secret)
        slot.number(int(told.stdout.strip()))
    home = data_folder(slot)
    block = os.path.join(home, "block")
    if not os.path.exists(os.path.join(home, "ready")):
        status.maintenance(f"making osd.{slot.id} on {slot.storage or 'a file'}")
        if os.path.isdir(home):
            shutil.rmtree(home)  # left by a run that was interrupted
        files.folder(DATA, 0o755, ceph_base.OWNER, ceph_base.OWNER)
        files.folder(home, 0o750, ceph_base.OWNER, ceph_base.OWNER)
        write_keyring(slot, home)
        if location:
            files.link(location, block)
            own(location)
        else:
            check_space(home, sizes["osd-size"])
        process.run(
            "ceph-osd", "--id", str(slot.id), "--mkfs", "--osd-uuid", slot.uuid,
            "--setuser", ceph_base.OWNER, "--setgroup", ceph_base.OWNER,
            environment={"CEPH_CONF": ceph_base.conf_path()}, seconds=600,
        )  # fmt: skip
    elif location:
        # After a boot the device may have another name.
        files.link(location, block)
        own(location)


def refuse_foreign(slot, location):
    """Raises Blocked when something else than this slot's OSD is on the device."""
    try:
        found = device.content(location)
    except OSError as error:
        raise charm.Blocked(f"{slot.storage}: {location} cannot be read: {error.strerror}") from error
    if found is None or (slot.uuid and found == slot.uuid):
        return
    if slot.uuid and slot.id is not None and not os.path.exists(os.path.join(data_folder(slot), "ready")):
        return  # this slot's own mkfs, interrupted half-way
    what = "something else" if found == "other" else f"OSD {found}"
    raise charm.Blocked(f"{slot.storage} ({location}) holds {what}: run the action zap-disk to give it up")


def data_folder(slot):
    """The folder in which the daemon looks for its OSD."""
    return f"{DATA}/ceph-{slot.id}"


def write_keyring(slot, home):
    """Writes the OSD's own keyring."""
    text = ceph_base.keyring(f"osd.{slot.id}", slot.key)
    files.write(os.path.join(home, "keyring"), text, 0o600, ceph_base.OWNER, ceph_base.OWNER)


def own(location):
    """Gives the device to the daemon's user."""
    os.chown(location, files.uid(ceph_base.OWNER), files.gid(ceph_base.OWNER))


def check_space(home, wanted):
    """Raises Blocked when the file could never be filled."""
    disk = os.statvfs(home)
    free = disk.f_bavail * disk.f_frsize
    if free < wanted:
        raise charm.Blocked(f"osd-size is {wanted >> 20}M, but only {free >> 20}M are free on {home}")


# Running it


def daemon_name(slot):
    """The name of the OSD's daemon."""
    return f"ceph-osd@{slot.id}"


def run(slot, cluster, sizes):
    """Runs the OSD."""
    block = os.path.join(data_folder(slot), "block")
    drop_in = {
        # At a boot the device may come after the daemons, with the agent; the hook `start` follows.
        "Unit": [*ceph_base.PATIENT["Unit"], f"ConditionPathExists={block}"],
        "Service": [
            *ceph_base.PATIENT["Service"],
            f"Environment=CEPH_CONF={ceph_base.conf_path()}",
            # A device belongs to root again after each boot; `+` runs this as root.
            f"ExecStartPre=+/usr/bin/chown {ceph_base.OWNER}:{ceph_base.OWNER} {block}",
        ],
    }
    # Where the monitors are is not among what it depends on: a running OSD follows their map.
    section = {k: v for k, v in osd_section(sizes).items() if k != "bluestore_block_size"}
    flags = tools.config().get("config-flags") or ""
    depends = [cluster["fsid"], ceph_base.conf({"osd": section}), flags, os.path.realpath(block)]
    debian_service.ensure(daemon_name(slot), drop_in, depends)


def wait_for(slot):
    """Waits until the OSD is up; raises Waiting when it takes too long."""
    sentence = f"waiting for osd.{slot.id} to be up"
    return ceph_base.await_daemon(lambda: is_active(slot), daemon_name(slot), sentence)


def is_active(slot):
    """Whether the OSD says that the cluster knows it as up."""
    told = ceph_base.daemon(f"osd.{slot.id}", "status")
    return bool(told) and told.get("state") == "active"


# Leaving


@charm.on("osd-devices-storage-detaching")
def detach():
    """Empties the OSD on a device that is going, and takes it out of the cluster."""
    slot = Slot(slot_name(os.environ["JUJU_STORAGE_ID"]), slots_root())
    if slot.uuid:
        take_out(slot)


@charm.on("mon-relation-departed", "mon-relation-broken")
def empty_before_the_keys_go():
    """The last moment at which the cluster listens to this unit: what is left goes out now."""
    if not ceph_base.leaving():
        return
    for slot in slots(slots_root()):
        take_out(slot)


@charm.on("stop")
def leave():
    """Stops what still runs, and removes what the charm made."""
    for slot in slots(slots_root()):
        take_out(slot)
    ceph_base.remove_folder()


def take_out(slot):
    """Empties, stops and forgets the OSD of a slot.

    It is emptied when other OSDs can take over. It is purged from the map when it is empty, or when
    what it holds goes with the unit. One on a device that nobody could take over from stays in the
    map: its storage may be kept, and then the objects are still on it.
    """
    name = daemon_name(slot)
    block = os.path.join(data_folder(slot), "block")
    known = slot.id is not None and os.path.exists(ceph_base.conf_path())
    empty = known and service.active(name) and hand_over(slot)
    if slot.id is not None:
        debian_service.absent(name)
    if known and (empty or slot.name == FILE):
        try:
            purge(slot)
        except process.CommandError as error:
            tools.log(f"osd.{slot.id} stays in the cluster's map: {error}", "WARNING")
    if empty and slot.name != FILE:
        device.wipe(block)
    if slot.id is not None and os.path.isdir(data_folder(slot)):
        shutil.rmtree(data_folder(slot))
    slot.forget()


def hand_over(slot):
    """Sees to it that everything on the OSD is on others; False where there are none to take it.

    Raises while it cannot be: objects are not given up because a unit is in a hurry.
    """
    try:
        dump = ceph_base.ask("osd", "dump", entity=REMOVAL, seconds=15)
    except process.CommandError as error:
        tools.log(f"the cluster does not answer, so osd.{slot.id} is not emptied: {error}", "WARNING")
        return False
    mine = {one.id for one in slots(slots_root())}
    others = takers(dump, slot.id, mine, unit_goes=ceph_base.leaving() or ceph_base.dying())
    if not others or (not ceph_base.staying() and not others & mine):
        return False
    copies = max((pool["size"] for pool in dump["pools"]), default=1)
    if len(others) < copies:
        # There would be no place for another copy, so this OSD would never be empty; and nobody can
        # tell whether the copies elsewhere are whole, as that is what the manager daemon knows.
        sentence = f"{copies} copies are kept and only {len(others)} OSDs would stay: lower replicas or add a unit"
        tools.status_set("blocked", sentence)
        raise process.CommandError(f"osd.{slot.id} cannot leave: {sentence}")
    drain(slot)
    return True


def takers(dump, number, mine, unit_goes):
    """The OSDs that could take over what osd.`number` holds, given the cluster's map."""
    others = {one["osd"] for one in dump["osds"] if one["up"] and one["in"] and one["osd"] != number}
    return others - mine if unit_goes else others


def drain(slot):
    """Hands over what the OSD holds. Raises when it takes too long: the hook is tried again then."""
    ceph_base.command("osd", "out", str(slot.id), entity=REMOVAL)
    limit = tools.config()["drain-seconds"]
    end = time.monotonic() + limit
    told = None
    while (left := groups_left(slot)) != 0:
        if left != told:
            status.maintenance(f"emptying osd.{slot.id}: {left} placement groups left")
            told = left
        if time.monotonic() > end:
            raise process.CommandError(f"osd.{slot.id} still holds {left} placement groups after {limit} s")
        time.sleep(0.5)


def groups_left(slot):
    """How many placement groups the OSD has; -1 while it does not tell."""
    told = ceph_base.daemon(f"osd.{slot.id}", "status")
    return told["num_pgs"] if told else -1


def purge(slot):
    """Takes the OSD out of the cluster's map, with its key.

    `osd purge` is served by the manager daemon, which these clusters do not have: it would never
    answer. The monitors do the same under the name `purge-actual`.
    """
    end = time.monotonic() + 30
    while True:
        done = ceph_base.command(
            "osd", "purge-actual", str(slot.id), "--yes-i-really-mean-it", entity=REMOVAL, seconds=15, check=False
        )
        if done.returncode == 0:
            return
        # "Still up": the monitors notice a moment later that it has stopped.
        if time.monotonic() > end:
            raise process.CommandError(f"osd purge: {done.stderr.strip()[-500:]}")
        time.sleep(0.5)


# Actions


@charm.action("list-disks")
def list_disks():
    """Tells the OSDs of this unit."""
    lines = []
    for slot in slots(slots_root()):
        where = os.path.realpath(os.path.join(data_folder(slot), "block")) if slot.id is not None else "-"
        how = "active" if is_active(slot) else "down"
        lines.append(f"osd.{slot.id} on {slot.storage or 'a file'} ({where}): {how}")
    tools.action_set(osds="\n".join(lines) or "none")


@charm.action("zap-disk")
def zap_disk():
    """Empties a device."""
    params = tools.action_get()
    if params.get("i-really-mean-it") is not True:
        raise charm.ActionFailed("everything on the device is lost: repeat with i-really-mean-it=true")
    storage = str(params["storage"])
    if storage not in tools.storage_ids(STORAGE):
        raise charm.ActionFailed(f"{storage} is not attached to this unit")
    slot = Slot(slot_name(storage), slots_root())
    if slot.id is not None and os.path.exists(os.path.join(data_folder(slot), "ready")):
        raise charm.ActionFailed(f"osd.{slot.id} is on {storage}: detach the storage instead")
    device.wipe(tools.storage_get(storage)["location"])
    tools.action_set(emptied=storage)

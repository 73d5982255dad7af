"""The S3 gateway of a Ceph cluster.

The leader makes the application's certificate authority, which all units share through the peer
relation, and looks after users and buckets; every unit serves the same objects.
"""

import io
import json
import os
import re
import shutil
import socket
import ssl
import tempfile
import urllib.error
import urllib.request

from muster_charm import charm, files, hook, status, tools
from muster_layers import ceph_base, debian_service, service
from radosgw import certificate, s3, users

PEERS = "cluster"
DATA = "/var/lib/ceph/radosgw"
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,252})")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_SHORT = 4096


@charm.on("install", "upgrade-charm")
def tell_version():
    """Shows the version of the packages."""
    version = ceph_base.version("radosgw")
    if version:
        tools.application_version_set(version)


@charm.reconcile
def settle():
    """From the monitors' data to a gateway that answers, and related applications with their buckets."""
    if ceph_base.leaving():
        return
    gateway = Gateway(tools.config())
    authority = share_authority() if gateway.tls else None
    relation = next(iter(hook.relations("mon")), None)
    if relation is None:
        raise charm.Blocked(f"needs monitors: integrate {tools.application_name()}:mon with ceph-mon")
    relation.publish({"key_name": users.entity().removeprefix("client.")})
    cluster = ceph_base.monitors(relation.units)
    if not cluster or not cluster.get(key_of_this_unit()):
        raise charm.Waiting(f"waiting for a key from {relation.application or 'the monitors'}: OSDs must be up first")
    run(gateway, cluster, authority)
    tell_neighbours(gateway)
    refused = serve(gateway) if tools.is_leader() else []
    if refused:
        raise charm.Blocked("; ".join(refused))
    status.active(f"serving {gateway.own_url()}")


def key_of_this_unit():
    """Under which name the monitors write this unit's key."""
    return users.entity().removeprefix("client.") + "_key"


class Gateway:
    """Where this application serves."""

    def __init__(self, config):
        self.tls = config["tls"]
        self.port = config.get("port") or (443 if self.tls else 80)
        self.public = config.get("os-public-hostname") or ""
        self.region = config["region"]
        self.address = tools.ingress_address("public")
        if not 1 <= self.port <= 65535:
            raise charm.Blocked("port must be from 1 to 65535")
        if self.public and not _HOST.fullmatch(self.public):
            raise charm.Blocked("os-public-hostname must be a name or an address")
        if not _REGION.fullmatch(self.region):
            raise charm.Blocked("region must be small letters, digits and hyphens")

    def url(self, host):
        """The address of the gateway at a host."""
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def own_url(self):
        """The address of this very unit."""
        return self.url(self.address)

    def endpoint(self):
        """The address that clients get."""
        return self.url(self.public or self.address)

    def names(self):
        """The names and addresses that this unit's certificate is for."""
        names = [self.address, socket.gethostname(), socket.getfqdn(), self.public]
        return list(dict.fromkeys(name for name in names if name and _HOST.fullmatch(name)))


# Certificates


def share_authority():
    """The application's authority, (certificate, key); the leader makes it. Raises Waiting before."""
    peers = hook.relations(PEERS)
    if not peers:
        raise charm.Waiting("waiting for the peer relation")
    shared = tools.relation_get(peers[0].id, tools.application_name(), app=True)
    if not shared.get("ca-cert"):
        if not tools.is_leader():
            raise charm.Waiting("waiting for the leader to make the certificate authority")
        authority, key = certificate.make_authority(f"{tools.application_name()} authority")
        shared = {"ca-cert": authority, "ca-key": key}
        peers[0].publish(shared, app=True)
    return shared["ca-cert"], shared["ca-key"]


def authority_path():
    """Where the authority's certificate is on this machine."""
    return os.path.join(ceph_base.folder(), "ca.crt")


# The gateway itself


def daemon_name():
    """The name of the gateway's daemon."""
    return f"ceph-radosgw@{users.entity().removeprefix('client.')}"


def run(gateway, cluster, authority):
    """Writes everything, runs the gateway, and waits until it answers."""
    ceph_base.make_folder()
    entity = users.entity()
    keyring = ceph_base.write_secret("keyring", ceph_base.keyring(entity, cluster[key_of_this_unit()]))
    if authority:
        certificate.ensure(ceph_base.folder(), *authority, gateway.names(), ceph_base.OWNER)
        files.write(authority_path(), authority[0])
    data = f"{DATA}/ceph-{entity.removeprefix('client.')}"
    files.folder(data, 0o750, ceph_base.OWNER, ceph_base.OWNER)
    own = {"keyring": keyring, "rgw_data": data, "rgw_frontends": frontends(gateway)}
    flags = tools.config().get("config-flags")
    sections = {"global": ceph_base.global_section(cluster["fsid"], cluster["addresses"]), entity: own}
    text = ceph_base.conf(ceph_base.merge_flags(sections, flags))
    files.write(ceph_base.conf_path(), text, 0o640, "root", ceph_base.OWNER)
    drop_in = {
        "Unit": ceph_base.PATIENT["Unit"],
        "Service": [*ceph_base.PATIENT["Service"], f"Environment=CEPH_CONF={ceph_base.conf_path()}"],
    }
    # Where the monitors are is not among what it depends on: a running gateway follows their map.
    depends = [cluster["fsid"], ceph_base.conf({entity: own}), flags or "", served_certificate(gateway)]
    debian_service.ensure(daemon_name(), drop_in, depends)
    ceph_base.await_daemon(
        lambda: answers(gateway), daemon_name(), "waiting for the gateway to answer: it needs OSDs that are up"
    )
    tools.ports([f"{gateway.port}/tcp"])


def frontends(gateway):
    """The setting that says where and how to serve."""
    host = f"[{gateway.address}]" if ":" in gateway.address else gateway.address
    if not gateway.tls:
        return f"beast endpoint={host}:{gateway.port}"
    folder = ceph_base.folder()
    return (
        f"beast ssl_endpoint={host}:{gateway.port} "
        f"ssl_certificate={folder}/server.crt ssl_private_key={folder}/server.key"
    )


def served_certificate(gateway):
    """The certificate that is served, as text; empty without TLS."""
    return files.read(os.path.join(ceph_base.folder(), "server.crt"), "") if gateway.tls else ""


def answers(gateway):
    """Whether the gateway answers a request, with a certificate that can be trusted."""
    context = ssl.create_default_context(cafile=authority_path()) if gateway.tls else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
    )
    try:
        with opener.open(gateway.own_url() + "/", timeout=10) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def tell_neighbours(gateway):
    """Tells load balancers and the like where this unit serves."""
    for remote in hook.relations("gateway"):
        remote.publish({"hostname": gateway.address, "port": str(gateway.port)})


# Related applications


def serve(gateway):
    """Gives each related application a user and a bucket; what cannot be given, as sentences."""
    refused = []
    for remote in hook.relations("s3"):
        asked = remote.application_data
        # Before anybody is there nobody has said which bucket is wanted.
        if asked or remote.units:
            sentence = serve_one(gateway, remote, asked)
            if sentence:
                refused.append(sentence)
    return refused


def serve_one(gateway, remote, asked):
    """Gives one related application what it asks for; the sentence that says why not, or None."""
    bucket = asked.get("bucket") or default_bucket(remote.id)
    if not _BUCKET.fullmatch(bucket):
        return f"{remote.application} asks for a bucket with a name that cannot be: {bucket[:80]!r}"
    answer = {
        "bucket": bucket,
        "endpoint": gateway.endpoint(),
        "region": gateway.region,
        "s3-uri-style": "path",
        "tls-ca-chain": json.dumps([files.read(authority_path())]) if gateway.tls else None,
    }
    now = tools.relation_get(remote.id, tools.application_name(), app=True)
    if now.get("secret-key") and now.get("bucket") == bucket:
        remote.publish(answer, app=True)
        return None
    uid = user_id(remote)
    user = users.ensure(uid, f"{remote.application} over relation {remote.id}")
    access_key, secret_key = users.keys(user)
    client = client_for(gateway, user)
    owner = users.bucket_owner(bucket)
    if owner is None:
        client.make_bucket(bucket)
    elif owner != uid:
        if not given_up(owner, remote.application):
            return f"bucket {bucket}, which {remote.application} asks for, belongs to {owner}"
        users.give_bucket(bucket, uid)
    remote.publish({**answer, "access-key": access_key, "secret-key": secret_key}, app=True)
    before = now.get("bucket")
    if before and before == default_bucket(remote.id):
        drop_if_empty(client, before)
    return None


def default_bucket(relation):
    """The bucket for a relation whose other end names none."""
    return f"relation-{relation.rpartition(':')[2]}"


def user_id(remote):
    """The id of the user for a relation: told apart by number, recognised by name."""
    return f"{remote.application}.relation-{remote.id.rpartition(':')[2]}"


def given_up(owner, application):
    """Whether a bucket's owner was a user of the same application over a relation that is no more."""
    if not owner.startswith(f"{application}.relation-"):
        return False
    user = users.find(owner)
    return user is None or not user["keys"]


def drop_if_empty(client, bucket):
    """Removes a bucket that was made before another was asked for, if nothing is in it."""
    try:
        client.remove_bucket(bucket)
    except s3.S3Error as error:
        tools.log(f"bucket {bucket} stays: {error}")


def client_for(gateway, user):
    """An S3 client in the name of a user, at this unit's own gateway."""
    access_key, secret_key = users.keys(user)
    authority = authority_path() if gateway.tls else None
    return s3.Client(gateway.own_url(), access_key, secret_key, gateway.region, authority)


@charm.on("s3-relation-broken")
def end_access():
    """Ends the access of a relation's user. Bucket and objects stay, for the application's return."""
    if not tools.is_leader() or not service.active(daemon_name()):
        return
    number = os.environ["JUJU_RELATION_ID"].rpartition(":")[2]
    ending = f".relation-{number}"
    for uid in json.loads(users.admin("user", "list").stdout):
        if uid.endswith(ending):
            users.lock_out(uid)


# Leaving


@charm.on("stop")
def leave():
    """Stops the gateway and removes what the charm made. Users and objects are the cluster's."""
    debian_service.absent(daemon_name())
    data = f"{DATA}/ceph-{users.entity().removeprefix('client.')}"
    if os.path.isdir(data):
        shutil.rmtree(data)
    ceph_base.remove_folder()
    tools.ports([])


# Actions


def parameter(params, name, pattern):
    """A parameter that must look like this; raises ActionFailed when it does not."""
    value = str(params.get(name, ""))
    if not pattern.fullmatch(value):
        raise charm.ActionFailed(f"{name} cannot be {value[:80]!r}")
    return value


def running_gateway():
    """The gateway; raises ActionFailed when it does not run."""
    gateway = Gateway(tools.config())
    if not answers(gateway):
        raise charm.ActionFailed("the gateway does not answer yet")
    return gateway


@charm.action("create-user")
def create_user():
    """Makes a user, or shows one."""
    params = tools.action_get()
    uid = parameter(params, "uid", _UID)
    gateway = running_gateway()
    user = users.ensure(uid, str(params.get("display-name") or uid))
    access_key, secret_key = users.keys(user)
    results = {
        "access_key": access_key,
        "secret_key": secret_key,
        "endpoint": gateway.endpoint(),
        "region": gateway.region,
    }
    if gateway.tls:
        results["tls_ca"] = files.read(authority_path())
    if params.get("bucket"):
        bucket = parameter(params, "bucket", _BUCKET)
        make_bucket_for(gateway, user, bucket)
        results["bucket"] = bucket
    tools.action_set(**results)


def make_bucket_for(gateway, user, bucket):
    """Makes a bucket for a user; raises ActionFailed when it is another's."""
    owner = users.bucket_owner(bucket)
    if owner not in (None, user["user_id"]):
        raise charm.ActionFailed(f"bucket {bucket} belongs to {owner}")
    if owner is None:
        client_for(gateway, user).make_bucket(bucket)


@charm.action("delete-user")
def delete_user():
    """Removes a user without buckets."""
    uid = parameter(tools.action_get(), "uid", _UID)
    if users.find(uid) is None:
        raise charm.ActionFailed(f"there is no user {uid}")
    done = users.admin("user", "rm", f"--uid={uid}", check=False)
    if done.returncode != 0:
        raise charm.ActionFailed(f"{uid} cannot be removed: {done.stderr.strip()[-500:]}")
    tools.action_set(deleted=uid)


@charm.action("list-buckets")
def list_buckets():
    """Tells the buckets."""
    params = tools.action_get()
    uid = parameter(params, "uid", _UID) if params.get("uid") else None
    names = users.buckets(uid)
    tools.action_set(count=len(names), buckets=" ".join(names) or "none")


def acting(params):
    """An S3 client in the name of the user that the action names."""
    uid = parameter(params, "uid", _UID)
    gateway = running_gateway()
    user = users.find(uid)
    if user is None or not user["keys"]:
        raise charm.ActionFailed(f"there is no user {uid} with a key: make one with the action create-user")
    return client_for(gateway, user)


@charm.action("put-object")
def put_object():
    """Stores a file or a text."""
    params = tools.action_get()
    bucket = parameter(params, "bucket", _BUCKET)
    if ("file" in params) == ("text" in params):
        raise charm.ActionFailed("give either file or text")
    client = acting(params)
    try:
        with open(params["file"], "rb") if "file" in params else io.BytesIO(params["text"].encode()) as source:
            size, digest = s3.measure(source)
            client.put(bucket, str(params["key"]), source, size, digest)
    except (OSError, s3.S3Error) as error:
        raise charm.ActionFailed(str(error)) from error
    tools.action_set(size=size, sha256=digest)


@charm.action("get-object")
def get_object():
    """Fetches an object."""
    params = tools.action_get()
    bucket = parameter(params, "bucket", _BUCKET)
    client = acting(params)
    try:
        with tempfile.TemporaryFile() as kept:
            size = client.get(bucket, str(params["key"]), kept.write)
            kept.seek(0)
            _, digest = s3.measure(kept)
            if "file" in params:
                copy_to(kept, str(params["file"]))
            elif size <= _SHORT:
                tools.action_set(text=kept.read().decode("utf-8", "replace"))
    except (OSError, s3.S3Error) as error:
        raise charm.ActionFailed(str(error)) from error
    tools.action_set(size=size, sha256=digest)


def copy_to(source, path):
    """Writes a file that nobody but root may read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)

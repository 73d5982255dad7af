"""The gateway's users and the owners of buckets, through `radosgw-admin`.

It makes the keys itself and tells them on its output, so none is ever an argument.
"""

import json

from muster_charm import process
from muster_layers import ceph_base

_SECONDS = 60
_NO_SUCH = 22  # EINVAL, which this program gives for an unknown user
_NOT_THERE = 2  # ENOENT
_NO_BUCKET = 2002 % 256  # the gateway's own error number, as far as an exit code can carry it


def entity():
    """The name under which this unit talks to the cluster."""
    return f"client.rgw.{ceph_base.unit_id()}"


def admin(*arguments, check=True):
    """Runs `radosgw-admin`, with a time limit."""
    return process.run(
        "radosgw-admin", "--name", entity(), *arguments,
        environment={"CEPH_CONF": ceph_base.conf_path()}, seconds=_SECONDS, check=check,
    )  # fmt: skip


def find(uid):
    """The user with this id; None when there is none."""
    done = admin("user", "info", f"--uid={uid}", check=False)
    if done.returncode in (_NO_SUCH, _NOT_THERE):
        return None
    if done.returncode != 0:
        raise process.CommandError(f"radosgw-admin user info failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def ensure(uid, display_name):
    """The user with this id, with a key; made if there is none."""
    user = find(uid) or json.loads(admin("user", "create", f"--uid={uid}", f"--display-name={display_name}").stdout)
    if not user["keys"]:
        admin("key", "create", f"--uid={uid}", "--key-type=s3", "--gen-access-key", "--gen-secret")
        user = find(uid)
    return user


def lock_out(uid):
    """Takes all keys from a user. Suspending the user would close the user's buckets to everybody."""
    for key in find(uid)["keys"]:
        admin("key", "rm", f"--uid={uid}", "--key-type=s3", f"--access-key={key['access_key']}")


def keys(user):
    """The access key and the secret key of a user."""
    first = user["keys"][0]
    return first["access_key"], first["secret_key"]


def bucket_owner(bucket):
    """The id of the user to whom a bucket belongs; None when there is no such bucket."""
    done = admin("bucket", "stats", f"--bucket={bucket}", check=False)
    if done.returncode in (_NO_BUCKET, _NOT_THERE):
        return None
    if done.returncode != 0:
        raise process.CommandError(f"radosgw-admin bucket stats failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)["owner"]


def give_bucket(bucket, uid):
    """Makes a bucket, with the objects in it, belong to another user."""
    admin("bucket", "link", f"--bucket={bucket}", f"--uid={uid}")
    admin("bucket", "chown", f"--bucket={bucket}", f"--uid={uid}")


def buckets(uid=None):
    """The names of all buckets, or of one user's."""
    return json.loads(admin("bucket", "list", *([f"--uid={uid}"] if uid else [])).stdout)

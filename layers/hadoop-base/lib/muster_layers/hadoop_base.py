"""Hadoop's libraries, and core-site.xml."""

import os

from muster_charm import charm, files, state, tools, users
from muster_hadoop import properties
from muster_layers import java, tarball  # noqa: F401  java registers before this layer

HOME = "/opt/hadoop"
CONF = "/etc/hadoop/conf"


@charm.on("install", "upgrade-charm")
def user():
    """The user that Hadoop's own daemons would run as, and the folders it expects."""
    users.user("hadoop", "/var/lib/hadoop")


@charm.reconcile
def libraries():
    """Unpacks the tarball, if there is one."""
    tree = tarball.ensure("hadoop-tarball", HOME, required=False)
    state.toggle_flag("hadoop.tarball", tree is not None)
    state.set_flag("hadoop.base.available")


def library_folder():
    """The folder with hadoop-aws and its SDK; None without a tarball."""
    folder = f"{HOME}/share/hadoop/tools/lib"
    return folder if state.is_set("hadoop.tarball") and os.path.isdir(folder) else None


def own_properties():
    """The operator's own properties."""
    try:
        return properties.parse(tools.config().get("core-site"))
    except properties.BadLine as error:
        raise charm.Blocked(f"core-site: {error}") from error


def write_core_site(path, settings, group):
    """Writes core-site.xml with these properties and the operator's own over them; its text.

    It may hold keys: only root and the group read it.
    """
    text = properties.xml({**settings, **own_properties()})
    files.write(path, text, mode=0o640, group=group)
    return text

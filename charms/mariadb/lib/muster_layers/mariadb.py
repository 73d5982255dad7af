"""A MariaDB server, with a database and an account for each relation.

Accounts are named after their relation and live as long as it; databases stay.
"""

import contextlib
import gzip
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time

from mariadb_charm import client, sql
from muster_charm import charm, files, hook, process, state, status, tools
from muster_layers import debian_service, service

PEERS = "cluster"
STORAGE = "/srv/mariadb"
DAEMON = "mariadb"
DETACHED = "mariadb.detached"
SETTINGS = "/etc/mysql/mariadb.conf.d/90-charm.cnf"
BACKUPS = "/var/backups/mariadb"
READER = "charm-reader"
READER_FILE = "/etc/mysql/charm-reader.cnf"
_SIZE = re.compile(r"[1-9][0-9]{0,6}[MG]")
_LONG = 3600


# The server


@charm.reconcile
def settle():
    """From packages to a server that answers, and related applications with their databases."""
    if os.environ.get("JUJU_DEPARTING_UNIT") == tools.unit_name():
        return
    if state.is_set(DETACHED):
        raise charm.Blocked("the storage data was detached: attach it again, or remove the unit")
    config = tools.config()
    check_config(config)
    pin_server()
    run(config)
    tell_version()
    refused = [sentence for sentence in (serve(endpoint, config) for endpoint in ENDPOINTS) if sentence]
    if refused:
        raise charm.Blocked("; ".join(refused))
    status.active(f"serving on port {config['port']}")


def check_config(config):
    """Raises Blocked when an option has a value that cannot be."""
    if not 1 <= config["port"] <= 65535:
        raise charm.Blocked("port must be from 1 to 65535")
    if not 10 <= config["max-connections"] <= 100000:
        raise charm.Blocked("max-connections must be from 10 to 100000")
    size = config["innodb-buffer-pool-size"]
    if not _SIZE.fullmatch(size) or (size.endswith("M") and int(size[:-1]) < 8):
        raise charm.Blocked("innodb-buffer-pool-size must be a size such as 128M or 2G, at least 8M")


def pin_server():
    """Lets one unit serve, for good: a second one has other databases."""
    peers = hook.relations(PEERS)
    if not peers:
        raise charm.Waiting("waiting for the peer relation")
    shared = tools.relation_get(peers[0].id, tools.application_name(), app=True)
    server = shared.get("server")
    there = {tools.unit_name(), *peers[0].units}
    if tools.is_leader() and server not in there:
        server = tools.unit_name()
        peers[0].publish({"server": server}, app=True)
    if server is None:
        raise charm.Waiting("waiting for the leader to name the unit that serves")
    if server != tools.unit_name():
        raise charm.Blocked(f"there is no replication: {server} serves, remove this unit")


def data_folder():
    """Where the databases are."""
    return f"{STORAGE}/data" if tools.storage_ids("data") or os.path.ismount(STORAGE) else "/var/lib/mysql"


def run(config):
    """Writes the settings, makes the system tables if they are missing, and runs the server."""
    folder = data_folder()
    text = settings(config, folder, addresses())
    if not os.path.isdir(os.path.join(folder, "mysql")):
        install_tables(folder)
    files.write(SETTINGS, text)
    drop_in = {"Unit": ["StartLimitIntervalSec=0"], "Service": ["Restart=on-failure", "RestartSec=5"]}
    if debian_service.ensure(DAEMON, drop_in, [text]) or not client.answers():
        status.maintenance("waiting for the server")
        service.wait_until(client.answers, DAEMON, seconds=120)
    tools.ports([f"{config['port']}/tcp"])


def settings(config, folder, bind):
    """The text of the server's settings."""
    return "\n".join(
        [
            "# Written by the charm; changes are overwritten.",
            "[mariadbd]",
            f"datadir = {folder}",
            f"port = {config['port']}",
            f"bind-address = {','.join(bind)}",
            f"innodb_buffer_pool_size = {config['innodb-buffer-pool-size']}",
            f"max_connections = {config['max-connections']}",
            f"performance_schema = {'ON' if config['performance-schema'] else 'OFF'}",
            "skip_name_resolve = ON",
            "",
        ]
    )


def addresses():
    """The addresses at which related applications reach this unit."""
    return sorted({tools.ingress_address(endpoint) for endpoint in ENDPOINTS})


def install_tables(folder):
    """Makes the server's own tables in an empty folder."""
    status.maintenance("making the system tables")
    files.folder(folder, 0o750, "mysql", "mysql")
    process.run(
        "mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={folder}",
        "--auth-root-authentication-method=socket", "--skip-test-db", seconds=300,
    )  # fmt: skip


def tell_version():
    """Shows the server's version, once for each installation of it."""
    mark = os.stat("/usr/sbin/mariadbd").st_ctime_ns
    if state.get("mariadb.version-of") != mark:
        version = client.rows("select version() as version")[0]["version"].partition("-")[0]
        tools.application_version_set(version)
        state.put("mariadb.version", version)
        state.put("mariadb.version-of", mark)


# Related applications


def serve(endpoint, config):
    """Gives each application at an endpoint what it asks for; the sentence that says why not, or None."""
    refused = None
    for remote in hook.relations(endpoint):
        refused = ENDPOINTS[endpoint](remote, config) or refused
    return refused


def serve_db(remote, config):
    """`mysql`: everything in the unit's bag; the other end may name the database in its own."""
    return serve_unit_bag(remote, config, sql.make_account)


def serve_db_admin(remote, config):
    """`mysql-root`: the same, with an account that may do everything."""
    return serve_unit_bag(remote, config, sql.make_administrator)


def serve_unit_bag(remote, config, make):
    """Answers in this unit's bag, as the older interfaces want it."""
    if not remote.units:
        return None  # nobody is there yet who could have named a database
    asked = [bag["database"] for bag in remote.units.values() if bag.get("database")]
    database = (asked or [remote.application_data.get("database") or remote.application])[0]
    if not sql.usable_database(database):
        return unusable(remote, database)
    own = remote.own()
    known = own.get("password") and own.get("database") == database
    password = own.get("password") or secrets.token_urlsafe(24)
    if not known:
        client.run(make(account_name(remote.id), password, database))
        drop_if_empty(own.get("database"), database, remote.application)
    remote.publish(
        {
            "database": database,
            "user": account_name(remote.id),
            "password": password,
            "host": tools.ingress_address(remote.id.partition(":")[0]),
            "port": str(config["port"]),
            "slave": "False",
        }
    )
    return None


def drop_if_empty(before, now, default):
    """Removes the database that was made before another was asked for, if nothing is in it."""
    if before != default or before == now:
        return
    where = f"table_schema = {sql.literal(before)}"
    if not client.rows(f"select 1 from information_schema.tables where {where} limit 1"):
        client.run([f"DROP DATABASE IF EXISTS {sql.identifier(before)}"])


def serve_database(remote, config):
    """`mysql_client`: the applications' bags; the account in a secret, where one was asked for."""
    database = remote.application_data.get("database")
    if not database:
        return None
    if not sql.usable_database(database):
        return unusable(remote, database)
    if not tools.is_leader():
        raise charm.Waiting("waiting to become the leader, who alone may answer over mysql_client")
    now = tools.relation_get(remote.id, tools.application_name(), app=True)
    address = f"{tools.ingress_address('database')}:{config['port']}"
    answer = {"database": database, "endpoints": address, "version": state.get("mariadb.version")}
    if now.get("database") != database or not (now.get("password") or now.get("secret-user")):
        admin = "admin" in (remote.application_data.get("extra-user-roles") or "").split(",")
        make = sql.make_administrator if admin else sql.make_account
        password = now.get("password") or secrets.token_urlsafe(24)
        client.run(make(account_name(remote.id), password, database))
        answer.update(credentials(remote, now, account_name(remote.id), password))
    remote.publish(answer, app=True)
    return None


def credentials(remote, now, user, password):
    """How the account is handed over: as a secret if that was asked for and can be, else as it is."""
    asked = requested_secrets(remote.application_data)
    if not {"username", "password"} & asked or not tools.available("secret-add"):
        return {"username": user, "password": password}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as content:
        json.dump({"username": user, "password": password}, content)
        content.flush()
        known = now.get("secret-user")
        if known:
            tools.call("secret-set", known, "--file", content.name)
            return {}
        uri = tools.call("secret-add", "--owner", "application", "--file", content.name).strip()
    tools.call("secret-grant", uri, "--relation", remote.id)
    return {"secret-user": uri}


def requested_secrets(bag):
    """What the other end wants to have as secrets; nothing when it cannot be read."""
    try:
        asked = json.loads(bag.get("requested-secrets") or "[]")
    except ValueError:
        return set()
    return {one for one in asked if isinstance(one, str)} if isinstance(asked, list) else set()


def unusable(remote, database):
    """The sentence for a database that nobody may have."""
    return f"{remote.application} asks for a database with a name that cannot be: {database[:80]!r}"


def account_name(relation):
    """The account of a relation."""
    endpoint, _, number = relation.rpartition(":")
    return f"{endpoint}-{number}"


ENDPOINTS = {"db": serve_db, "db-admin": serve_db_admin, "database": serve_database}


@charm.on("db-relation-broken", "db-admin-relation-broken", "database-relation-broken")
def end_access():
    """Ends the account of a relation. The database stays."""
    if service.active(DAEMON):
        client.run(sql.drop_account(account_name(os.environ["JUJU_RELATION_ID"])))


@charm.on("data-storage-detaching")
def let_go():
    """Stops the server: while it ran, the storage could not be unmounted."""
    debian_service.absent(DAEMON)
    state.set_flag(DETACHED)


@charm.on("data-storage-attached")
def take_up():
    """Serves from the storage again."""
    state.clear_flag(DETACHED)


@charm.on("stop")
def leave():
    """Stops the server and removes what the charm made. What is on a storage stays on it."""
    debian_service.absent(DAEMON)
    for path in (SETTINGS, READER_FILE):
        files.remove(path)
    if not state.is_set(DETACHED):
        empty("/var/lib/mysql")
    tools.ports([])


def empty(folder):
    """Removes what is in a folder, and leaves the folder, which is its package's."""
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


# Actions


def running_server():
    """Raises ActionFailed when the server does not answer."""
    if not client.answers():
        raise charm.ActionFailed("the server does not answer on this unit")


@charm.action("set-root-password")
def set_root_password():
    """Gives root a password besides the access over the socket."""
    running_server()
    given = tools.action_get().get("password")
    password = str(given) if given else secrets.token_urlsafe(24)
    client.run(
        [
            f"ALTER USER {sql.account('root', 'localhost')} IDENTIFIED VIA unix_socket "
            f"OR mysql_native_password USING PASSWORD({sql.literal(password)})"
        ]
    )
    tools.action_set(user="root", **({} if given else {"password": password}))


@charm.action("backup")
def backup():
    """Writes a compressed file of SQL statements, whole or not at all."""
    running_server()
    params = tools.action_get()
    database = params.get("database")
    what = ["--databases", str(database)] if database else ["--all-databases"]
    path = str(params.get("path") or default_backup_path(database))
    if os.path.dirname(path) == BACKUPS:
        files.folder(BACKUPS, 0o700)
    fresh = path + ".new"
    command = ["mariadb-dump", *client.arguments(), "--single-transaction", "--routines", "--events", *what]
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as kept:
            with gzip.GzipFile(fileobj=kept, mode="wb", mtime=0) as packed:
                pour(command, packed)
            kept.flush()
            os.fsync(kept.fileno())
        os.replace(fresh, path)
    except OSError as error:
        raise charm.ActionFailed(f"{path} cannot be written: {error}") from error
    finally:
        files.remove(fresh)
    tools.action_set(path=path, size=os.stat(path).st_size)


def default_backup_path(database):
    """Where a backup goes when nobody says where."""
    return f"{BACKUPS}/{database or 'all'}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.sql.gz"


def pour(command, target):
    """Runs a program and copies what it prints into `target`, block by block."""
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as running:
            shutil.copyfileobj(running.stdout, target, 1 << 20)
        fail_if_failed(command, running.returncode, said)


def fail_if_failed(command, code, said):
    """Raises ActionFailed, with the end of what a program said, unless it ended well."""
    if code != 0:
        said.seek(0)
        raise charm.ActionFailed(f"{command[0]} failed: {said.read()[-500:].decode('utf-8', 'replace').strip()}")


@charm.action("restore")
def restore():
    """Runs the statements of a backup."""
    running_server()
    params = tools.action_get()
    command = ["mariadb", *client.arguments(), "--batch"]
    if params.get("database"):
        command += ["--one-database", str(params["database"])]
    try:
        with tempfile.TemporaryFile() as said, gzip.open(str(params["path"]), "rb") as packed:
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as running:
                # When it stops reading, its exit code and words say why.
                with contextlib.suppress(BrokenPipeError):
                    shutil.copyfileobj(packed, running.stdin, 1 << 20)
            fail_if_failed(command, running.returncode, said)
    except (OSError, EOFError) as error:
        raise charm.ActionFailed(f"{params['path']}: {error}") from error
    tools.action_set(restored=params["path"])


@charm.action("query")
def query():
    """Runs a statement in the name of an account that may only read."""
    running_server()
    params = tools.action_get()
    database = str(params["database"])
    if not sql.usable_database(database):
        raise charm.ActionFailed(f"there is no database {database[:80]!r} for applications")
    make_reader(database)
    reader = [f"--defaults-file={READER_FILE}", "--protocol=socket", f"--database={database}"]
    try:
        found = client.rows(str(params["statement"]).rstrip().rstrip(";"), settings=reader)
    except process.CommandError as error:
        raise charm.ActionFailed(str(error)) from error
    tools.action_set(count=len(found), rows=json.dumps(found))


def make_reader(database):
    """Makes the reading account anew, for one database."""
    password = secrets.token_urlsafe(24)
    who = sql.account(READER, "localhost")
    client.run(
        [
            f"CREATE OR REPLACE USER {who} IDENTIFIED BY {sql.literal(password)}",
            f"GRANT SELECT, SHOW VIEW ON {sql.pattern(database)}.* TO {who}",
        ]
    )
    text = f"[client]\nsocket=/run/mysqld/mysqld.sock\nuser={READER}\npassword={password}\n"
    files.write(READER_FILE, text, 0o600)

"""Debian packages. A hook that finds them installed pays for a few file look-ups and no process."""

import os

from muster_charm import charm, options, process, state, status, tools

_LISTS = "/var/lib/apt/lists"
_INFO = "/var/lib/dpkg/info"
_POLICY = "/usr/sbin/policy-rc.d"
_POLICY_TEXT = "#!/bin/sh\n# muster: no service starts while packages are being installed\nexit 101\n"

_others = []


def also(packages):
    """Registers a function that gives packages to install along with the listed ones, in one run of apt-get.

    Its layer still has to see to them itself: when one of them cannot be had, only the listed ones are installed.
    """
    _others.append(packages)


@charm.on("install", "upgrade-charm")
@charm.reconcile
def listed():
    """Installs the packages of the layer option `packages`, and what layers want along with them."""
    packages = options.of("apt").get("packages") or []
    further = [name for others in _others for name in others()]
    try:
        ensure([*packages, *further])
    except process.CommandError:
        if not further:
            raise
        ensure(packages)


def ensure(packages, start_services=False):
    """Installs those of the packages that are missing; True when there were any.

    Services of the packages are not started unless `start_services`: a charm configures first.
    """
    missing = [name for name in packages if not installed(name)]
    for name in packages:
        if name not in missing:
            state.set_flag(f"apt.installed.{name}")
    if not missing:
        return False
    status.maintenance(f"installing {', '.join(missing)}")
    policy = None if start_services else _hold_services()
    try:
        _install(missing)
    finally:
        if policy:
            os.unlink(policy)
    still = [name for name in missing if not installed(name)]
    if still:
        raise process.CommandError(f"apt-get said yes, yet these packages are not installed: {', '.join(still)}")
    for name in missing:
        state.set_flag(f"apt.installed.{name}")
    return True


def installed(name):
    """Whether a package is installed, going by the package database's own files."""
    if not lists(name):
        return False
    if state.is_set(f"apt.installed.{name}"):
        return True
    # A list without the flag may be left from a removed or half-installed package: ask once.
    said = process.run("dpkg-query", "-W", "-f", "${db:Status-Status}\n", name, check=False)
    return said.returncode == 0 and "installed" in said.stdout.split()


def lists(name):
    """The package database's lists of this package's files: one, or one for each architecture."""
    path = f"{_INFO}/{name}.list"
    if os.path.exists(path):
        return [path]
    found = [entry for entry in os.listdir(_INFO) if entry.startswith(f"{name}:") and entry.endswith(".list")]
    return [f"{_INFO}/{entry}" for entry in sorted(found)]


def _install(packages):
    # Machine images without manuals often lack their folders as well, and then update-alternatives,
    # which Java's packages call, fails.
    for section in range(1, 9):
        os.makedirs(f"/usr/share/man/man{section}", exist_ok=True)
    if not _has_lists():
        _apt("update", check=False)
    if _apt("install", *packages, check=False).returncode == 0:
        return
    # Mirrors drop old versions: with fresh lists, and what was interrupted ended, try once more.
    process.run("dpkg", "--configure", "-a", environment=_environment(), check=False)
    _apt("update", check=False)
    _apt("install", *packages)


def _apt(verb, *arguments, check=True):
    return process.run(
        "apt-get", "-y", "-q", "--no-install-recommends",
        "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Options::=--force-confold",
        verb, *arguments,
        environment=_environment(), check=check,
    )  # fmt: skip


def _environment():
    environment = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none"}
    for kind in ("http", "https", "no"):
        proxy = os.environ.get(f"JUJU_CHARM_{kind.upper()}_PROXY")
        if proxy:
            environment[f"{kind}_proxy"] = proxy
    return environment


def _has_lists():
    return os.path.isdir(_LISTS) and any(name.endswith("Release") for name in os.listdir(_LISTS))


def _hold_services():
    """Keeps the packages' services from starting; the path to remove afterwards, if it was made here."""
    try:
        with open(_POLICY, encoding="utf-8") as file:
            if file.read() != _POLICY_TEXT:
                tools.log(f"{_POLICY} is not ours: it decides whether services start", "DEBUG")
                return None
    except FileNotFoundError:
        pass
    with open(os.open(_POLICY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755), "w", encoding="utf-8") as file:
        file.write(_POLICY_TEXT)
    return _POLICY

"""A Java runtime: installed, and found by asking the package where it put it."""

from muster_charm import charm, options, process, tools
from muster_layers import apt

DEFAULT = "openjdk-17-jre-headless"

apt.also(lambda: [package()])


@charm.reconcile
def installed():
    """Installs the runtime. A wrong package name is the operator's to mend, not an error of the hook."""
    try:
        apt.ensure([package()])
    except process.CommandError as error:
        if "Unable to locate package" in str(error) or "has no installation candidate" in str(error):
            raise charm.Blocked(f"java-package: no package {package()!r}") from error
        raise


def package():
    """The package that is wanted."""
    return tools.config().get("java-package") or options.of("java").get("package") or DEFAULT


def home():
    """The JAVA_HOME of the wanted package: the folder above its `bin/java`."""
    name = package()
    for path in apt.lists(name):
        found = home_in_list(_lines(path))
        if found:
            return found
    raise charm.Blocked(f"java-package: {name!r} holds no bin/java")


def home_in_list(paths):
    """The JAVA_HOME in a package's list of files; None when there is none."""
    for path in paths:
        if path.endswith("/bin/java") and path.count("/") > 3:
            return path[: -len("/bin/java")]
    return None


def _lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []

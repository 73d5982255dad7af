"""An account on a database server: the provider's unit writes it."""


def request(database):
    """What this unit asks for. The old protocol names no database; a provider that reads this may follow it."""
    return {"database": database}


def account(units):
    """The account in the bags of the remote units, as one map; None while there is none."""
    for bag in units.values():
        if all(bag.get(key) for key in ("host", "user", "password", "database")):
            return {
                "host": bag["host"],
                "port": int(bag.get("port") or 3306),
                "user": bag["user"],
                "password": bag["password"],
                "database": bag["database"],
            }
    return None

"""Master and workers: the leader tells the master's address to all, each unit tells its role."""


def announce(application_data, uri):
    """What the leader has to write, given what stands there: nothing, or the address with the next generation.

    The generation rises with every new master, so that workers go over to it even when its address is an old one.
    """
    if application_data.get("master_uri") == uri:
        return {}
    return {"master_uri": uri, "generation": str(generation(application_data) + 1)}


def generation(application_data):
    """The number of the master that is announced; 0 before the first."""
    text = application_data.get("generation", "")
    return int(text) if text.isdigit() else 0


def begun(application_data):
    """What the leader writes when its master has begun, or begun anew, and answers: a count, so that workers hear of it.

    A worker whose hook ran while the master was away would else call itself waiting until its next hook.
    """
    text = application_data.get("master-starts", "")
    return {"master-starts": str((int(text) if text.isdigit() else 0) + 1)}


def member(role, host, ready):
    """What each unit writes."""
    return {"role": role, "host": host, "worker-ready": "true" if ready else "false"}


def ready_workers(units):
    """The names of the units whose worker is registered."""
    return [name for name, bag in units.items() if bag.get("worker-ready") == "true"]

"""The side of the master: what is written into the unit's bag, for every kind of reader there is."""

import json


def offer(uri, host, rest_port=""):
    """The values that tell where the master is."""
    return {
        "spark_started": "True",
        "connection_string": uri,
        "master": uri,
        "rest_port": rest_port,
        # OmniVector's requirer reads JSON here, and another one looks for the hyphen.
        "master_uri": json.dumps(uri),
        "master-uri": uri,
        "hostname": host,
    }


def nothing():
    """The values that take the offer back: only the leader's unit offers a master."""
    return {key: None for key in offer("", "")}

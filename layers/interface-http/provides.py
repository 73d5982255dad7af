"""A web page of this unit."""


def offer(host, port):
    """The values of one unit."""
    return {"hostname": host, "private-address": host, "port": str(port)}

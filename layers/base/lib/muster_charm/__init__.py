"""What charms of this project share. Only Python's own library is needed.

A layer's code is a module in `lib/muster_layers/`; all of them are imported, each imports the
layers that it stands on, and so the lower layer always registers first:

    from muster_charm import charm, hook, state, status, files
    from muster_layers import apt

    @charm.on("install", "upgrade-charm")
    def directories():
        ...

    @charm.reconcile
    def settle():
        if not hook.relations("database"):
            raise charm.Waiting("waiting for database")
        status.active("ready")

`on` names hooks (a trailing `*` stands for any end), `action` names an action, and what `reconcile`
marks runs after every hook between install and stop, in the order in which the layers registered.
A reconciler compares what should be with what is, and changes only what differs: hooks may come in
any order, several changes may come as one, and any hook may be run twice.
"""

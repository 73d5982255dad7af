"""The object store, as the rest of the charm sees it."""

import os

from muster_charm import charm, hook, tools
from muster_s3 import settings as s3
from relations.s3 import requires

ENDPOINT = "s3-credentials"


def settings():
    """The settings in force, or None; asks the provider for a bucket on the way. See `muster_s3.settings.merge`."""
    config = tools.config()
    answer = None
    for remote in hook.relations(ENDPOINT):
        if tools.is_leader():
            bucket = s3.bucket_name(
                config.get("s3-bucket"), os.environ.get("JUJU_MODEL_NAME", ""), tools.application_name()
            )
            remote.publish(requires.request(bucket, tools.available("secret-get")), app=True)
        try:
            answer = requires.answer(remote.application_data, tools.secret_get)
        except ValueError as error:
            raise charm.Blocked(f"{ENDPOINT}: {error}") from error
    uri = config.get("s3-credentials-secret")
    return s3.merge(answer, config, tools.secret_get(uri) if uri else None)


def asked():
    """Whether an object store is wanted: related, or named in the configuration."""
    return bool(tools.relation_ids(ENDPOINT)) or bool(tools.config().get("object-storage-gateway"))

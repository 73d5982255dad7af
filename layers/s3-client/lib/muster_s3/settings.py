"""One set of settings out of the relation and the configuration, and the S3A properties for it."""

COMMITTERS = ("file", "directory", "partitioned", "magic")


class BadSetting(ValueError):
    """A value of the configuration cannot be used."""


def merge(answer, config, secret=None):
    """The settings in force; None when neither the relation nor the configuration gives address and keys.

    `answer` is what the relation says (or None), `config` the charm's options, `secret` the content
    of the option `s3-credentials-secret` (or None).
    """
    answer = answer or {}
    secret = secret or {}
    endpoint = answer.get("endpoint") or config.get("object-storage-gateway") or ""
    access = answer.get("access-key") or secret.get("access-key") or config.get("aws-access-key") or ""
    hidden = answer.get("secret-key") or secret.get("secret-key") or config.get("aws-secret-key") or ""
    if not (endpoint and access and hidden):
        return None
    style = answer.get("uri-style")
    return {
        "endpoint": endpoint,
        "access-key": access,
        "secret-key": hidden,
        "bucket": answer.get("bucket") or config.get("s3-bucket") or "",
        "region": answer.get("region") or config.get("s3-region") or "us-east-1",
        "path-style": style == "path" if style else bool(config.get("s3-path-style", True)),
        "tls": _tls(endpoint, config.get("s3-ssl-enabled", "true")),
        "ca-chain": answer.get("ca-chain") or [],
    }


def properties(settings, committer="directory", buffer="", aws=(3, 3), client=(3, 3)):
    """The S3A properties, as Hadoop names them (with `spark.hadoop.` before them they are Spark's).

    `buffer` is where uploads are gathered. A driver's settings reach executors on other machines, so it must
    mean something on each of them. `aws` and `client` are the versions of hadoop-aws and of the Hadoop client, as numbers.
    """
    if committer not in COMMITTERS:
        raise BadSetting(f"s3-committer: {committer!r} is none of {', '.join(COMMITTERS)}")
    found = {
        "fs.s3a.endpoint": settings["endpoint"],
        "fs.s3a.endpoint.region": settings["region"],
        "fs.s3a.access.key": settings["access-key"],
        "fs.s3a.secret.key": settings["secret-key"],
        "fs.s3a.path.style.access": _word(settings["path-style"]),
        "fs.s3a.connection.ssl.enabled": _word(settings["tls"]),
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "fs.s3a.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.committer.name": committer,
    }
    if committer == "magic":
        found["fs.s3a.committer.magic.enabled"] = "true"
    if committer != "file":
        found["mapreduce.outputcommitter.factory.scheme.s3a"] = "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory"
    if buffer:
        found["fs.s3a.buffer.dir"] = buffer
    if aws < (3, 4) <= client:
        # The client's defaults are written with units, which the older hadoop-aws cannot read.
        found["fs.s3a.threads.keepalivetime"] = "60"
        found["fs.s3a.connection.establish.timeout"] = "30000"
        found["fs.s3a.connection.timeout"] = "200000"
        found["fs.s3a.multipart.purge.age"] = "86400"
    if not settings["tls"] and aws < (3, 4):
        # The gateway of Ceph refuses empty objects signed in pieces over plain HTTP; the old signature is
        # whole. From 3.4 on there is no old signature.
        found["fs.s3a.signing-algorithm"] = "S3SignerType"
    return found


def bucket_name(wanted, model, application):
    """The bucket to ask for: the wanted one, or one that is this application's alone, by the rules for buckets."""
    if wanted:
        return wanted
    letters = [c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in f"{model}-{application}".lower()]
    name = "".join(letters).strip("-")[:63].rstrip("-")
    return name if len(name) >= 3 else f"{name}-bucket"


def _tls(endpoint, enabled):
    if endpoint.startswith("https://"):
        return True
    if endpoint.startswith("http://"):
        return False
    return str(enabled).strip().lower() not in ("false", "0", "no", "off", "f")


def _word(value):
    return "true" if value else "false"

"""A bucket, and keys to it: both versions of the protocol, read into one shape."""

import base64
import binascii
import json


def request(bucket, with_secret=False):
    """What the leader asks for. Providers of the second version send keys as a secret when asked so."""
    values = {"bucket": bucket, "lib-version": "0.0"}
    if with_secret:
        values["requested-secrets"] = json.dumps(["access-key", "secret-key"])
    return values


def answer(data, secret=None):
    """The provider's application data as one map; None while keys or address are missing.

    `secret` gives a secret's content for its URI; it is asked only when the keys did not come as text.
    """
    keys = data
    if "access-key" not in data and data.get("secret-extra") and secret:
        keys = secret(data["secret-extra"]) or {}
    found = {
        "endpoint": data.get("endpoint", ""),
        "access-key": keys.get("access-key", ""),
        "secret-key": keys.get("secret-key", ""),
        "bucket": data.get("bucket", ""),
        "path": data.get("path", ""),
        "region": data.get("region", ""),
        "uri-style": data.get("s3-uri-style", ""),
        "ca-chain": chain(data.get("tls-ca-chain", "")),
    }
    if not (found["endpoint"] and found["access-key"] and found["secret-key"]):
        return None
    return found


def chain(text):
    """The certificates of `tls-ca-chain` as PEM texts: a JSON list, or one text, of PEM or of base64 of it."""
    text = (text or "").strip()
    if not text:
        return []
    entries = [text]
    if text.startswith("["):
        entries = json.loads(text)
    found = []
    for entry in entries:
        found += _certificates(_pem(str(entry)))
    return found


def _pem(text):
    if "-----BEGIN" in text:
        return text
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("tls-ca-chain holds an entry that is neither PEM nor base64") from error
    if b"-----BEGIN" in raw:
        return raw.decode("ascii")
    body = base64.encodebytes(raw).decode("ascii")
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


def _certificates(pem):
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    found = []
    for part in pem.split(begin)[1:]:
        found.append(f"{begin}{part.split(end)[0]}{end}\n")
    return found

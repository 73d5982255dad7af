"""A small S3 client: requests signed by hand (signature version 4), over Python's own library.

Only what the charm needs: make and remove a bucket, put and get an object. Bodies are read from and
written to files block by block, and never held whole in memory.
"""

import datetime
import hashlib
import hmac
import http.client
import os
import ssl
import urllib.parse

_EMPTY = hashlib.sha256(b"").hexdigest()
_BLOCK = 1 << 20
_ERROR_LIMIT = 64 << 10


class S3Error(Exception):
    """The gateway said no. `status` is the HTTP status."""

    def __init__(self, what, status, text):
        super().__init__(f"{what}: the gateway answered {status}: {text[:500]}")
        self.status = status


class Client:
    """One user at one endpoint, such as `https://10.0.0.5:443`."""

    def __init__(self, endpoint, access_key, secret_key, region, authority=None, seconds=60):
        self._url = urllib.parse.urlsplit(endpoint)
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region
        self._authority = authority
        self._seconds = seconds

    def make_bucket(self, bucket):
        """Makes a bucket; one of the same user's that is there already is fine."""
        self._ask(f"making bucket {bucket}", "PUT", f"/{bucket}")

    def has_bucket(self, bucket):
        """Whether there is such a bucket that this user may use; raises when it is another's."""
        try:
            self._ask(f"looking for bucket {bucket}", "HEAD", f"/{bucket}")
        except S3Error as error:
            if error.status == 404:
                return False
            raise
        return True

    def remove_bucket(self, bucket):
        """Removes a bucket, which must be empty."""
        self._ask(f"removing bucket {bucket}", "DELETE", f"/{bucket}")

    def put(self, bucket, key, file, size, digest):
        """Stores what can be read from `file`, with its size in bytes and its SHA-256."""
        self._ask(f"storing {bucket}/{key}", "PUT", f"/{bucket}/{key}", file, size, digest)

    def get(self, bucket, key, write):
        """Fetches an object, giving each block to `write`; the size in bytes."""
        what = f"fetching {bucket}/{key}"
        connection, answer = self._send("GET", f"/{bucket}/{key}")
        try:
            if answer.status != 200:
                raise S3Error(what, answer.status, _text(answer))
            size = 0
            while block := answer.read(_BLOCK):
                write(block)
                size += len(block)
            return size
        finally:
            connection.close()

    def _ask(self, what, method, path, body=None, size=0, digest=_EMPTY):
        connection, answer = self._send(method, path, body, size, digest)
        try:
            if answer.status not in (200, 204):
                raise S3Error(what, answer.status, _text(answer))
        finally:
            connection.close()

    def _send(self, method, path, body=None, size=0, digest=_EMPTY):
        now = datetime.datetime.now(datetime.timezone.utc)
        path = urllib.parse.quote(path, safe="/-_.~")
        headers = {"host": self._url.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp(now)}
        headers["authorization"] = authorization(
            method, path, headers, digest, now, self._region, self._access_key, self._secret_key
        )
        if method == "PUT":
            headers["content-length"] = str(size)
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers=headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def _connection(self):
        host, port = self._url.hostname, self._url.port
        if self._url.scheme == "https":
            context = ssl.create_default_context(cafile=self._authority)
            return http.client.HTTPSConnection(host, port, timeout=self._seconds, context=context)
        return http.client.HTTPConnection(host, port, timeout=self._seconds)


def stamp(now):
    """A time as signatures want it."""
    return now.strftime("%Y%m%dT%H%M%SZ")


def authorization(method, path, headers, digest, now, region, access_key, secret_key):
    """The header that signs a request without a query."""
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join([method, path, "", lines, names, digest])
    scope = f"{now:%Y%m%d}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp(now), scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret_key}".encode()
    for part in (f"{now:%Y%m%d}", region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


def measure(file):
    """The size and the SHA-256 of what can be read from a file, which is rewound."""
    hashing = hashlib.sha256()
    size = 0
    while block := file.read(_BLOCK):
        hashing.update(block)
        size += len(block)
    file.seek(0, os.SEEK_SET)
    return size, hashing.hexdigest()


def _text(answer):
    return answer.read(_ERROR_LIMIT).decode("utf-8", "replace")

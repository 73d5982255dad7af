"""Certificates: one authority for the application, and under it one for each unit.

Keys are made and used in files that only root may read; `openssl` is never given one otherwise.
"""

import ipaddress
import os
import tempfile

from muster_charm import files, process

_AUTHORITY_DAYS = 3650
_DAYS = 825
_RENEW_SECONDS = 60 * 24 * 3600
_SECONDS = 60


def make_authority(name):
    """A new authority: its certificate and its key, as PEM texts."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
            "-days", str(_AUTHORITY_DAYS), "-subj", f"/CN={name[:64]}", "-keyout", key, "-out", certificate,
            "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
        return files.read(certificate), files.read(key)


def ensure(folder, authority, authority_key, names, owner_group):
    """Makes `server.crt` and `server.key` in the folder fit; True when they are new.

    They fit when they are under this authority, for exactly these names and addresses, and good for
    a while yet.
    """
    mark = files.digest(authority, *names)
    certificate, key = os.path.join(folder, "server.crt"), os.path.join(folder, "server.key")
    kept = files.read(os.path.join(folder, "server.mark"))
    if kept == mark and os.path.exists(key) and _lasts(certificate):
        return False
    with tempfile.TemporaryDirectory() as work:
        names_of_files = ("ca", "cakey", "key", "request", "extensions", "certificate")
        paths = {name: os.path.join(work, name) for name in names_of_files}
        files.write(paths["ca"], authority, 0o600)
        files.write(paths["cakey"], authority_key, 0o600)
        files.write(paths["extensions"], extensions(names), 0o600)
        _openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
            "-subj", f"/CN={names[0][:64]}", "-keyout", paths["key"], "-out", paths["request"],
        )  # fmt: skip
        _openssl(
            "x509", "-req", "-sha256", "-days", str(_DAYS), "-in", paths["request"], "-CA", paths["ca"],
            "-CAkey", paths["cakey"], "-set_serial", str(int.from_bytes(os.urandom(16), "big") >> 1),
            "-extfile", paths["extensions"], "-out", paths["certificate"],
        )  # fmt: skip
        # The mark goes last: what is interrupted here is made again.
        files.remove(os.path.join(folder, "server.mark"))
        files.write(key, files.read(paths["key"]), 0o640, "root", owner_group)
        files.write(certificate, files.read(paths["certificate"]) + authority, 0o644)
        files.write(os.path.join(folder, "server.mark"), mark, 0o644)
    return True


def extensions(names):
    """The extensions of a server's certificate for these names and addresses."""
    entries = [f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in names]
    return "\n".join(
        [
            f"subjectAltName={','.join(entries)}",
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            "extendedKeyUsage=serverAuth",
            "",
        ]
    )


def is_address(name):
    """Whether this is an address and not a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _lasts(path):
    return os.path.exists(path) and process.succeeds(
        "openssl", "x509", "-noout", "-checkend", str(_RENEW_SECONDS), "-in", path, seconds=_SECONDS
    )


def _openssl(*arguments):
    process.run("openssl", *arguments, seconds=_SECONDS)

"""What is on a block device, told from its beginning; nothing here writes but `wipe`."""

import os

# A BlueStore label starts like this, followed by the OSD's UUID.
LABEL = b"bluestore block device\n"
_LOOKED_AT = 1024 * 1024
_UUID_LENGTH = 36


def content(path):
    """What a device or file holds: None for nothing, the UUID of the OSD on it, or "other"."""
    with open(path, "rb") as file:
        start = file.read(_LOOKED_AT)
    if start.startswith(LABEL):
        return start[len(LABEL) : len(LABEL) + _UUID_LENGTH].decode("ascii", "replace")
    return "other" if start.strip(b"\0") else None


def wipe(path):
    """Overwrites the beginning, where labels and file systems are told from."""
    with open(path, "r+b") as file:
        file.write(bytes(_LOOKED_AT))
        file.flush()
        os.fsync(file.fileno())


def size(text):
    """Bytes of a size such as `4G`; raises ValueError when it is none."""
    factors = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    number, unit = text[:-1], text[-1:].upper()
    if unit not in factors or not number.isdigit() or not number.isascii():
        raise ValueError(f"{text!r} is not a size such as 512M, 4G or 1T")
    return int(number) * factors[unit]

"""What this machine gives: cores and memory, within the limits that were set for it."""

import os

_MIB = 1024 * 1024
_UNLIMITED = 1 << 60


def cores(root="/sys/fs/cgroup"):
    """How many cores this machine may use: what the scheduler allows, and the quota, rounded up."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota(root)
    return max(1, min(allowed, quota) if quota else allowed)


def memory_mib(root="/sys/fs/cgroup", meminfo="/proc/meminfo"):
    """How much memory this machine may use, in MiB: the installed one, or the limit if that is less."""
    total = _UNLIMITED
    with open(meminfo, encoding="ascii") as file:
        for line in file:
            if line.startswith("MemTotal:"):
                total = int(line.split()[1]) * 1024
                break
    for path in (f"{root}/memory.max", f"{root}/memory/memory.limit_in_bytes"):
        limit = _number(path)
        if limit:
            total = min(total, limit)
    return total // _MIB


def _quota(root):
    text = _text(f"{root}/cpu.max")
    if text:
        quota, _, period = text.partition(" ")
        if quota != "max":
            return -(-int(quota) // int(period or 100000))
        return None
    quota = _number(f"{root}/cpu/cpu.cfs_quota_us")
    period = _number(f"{root}/cpu/cpu.cfs_period_us")
    if quota and quota > 0 and period:
        return -(-quota // period)
    return None


def _number(path):
    text = _text(path)
    return int(text) if text and text.lstrip("-").isdigit() else None


def _text(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None

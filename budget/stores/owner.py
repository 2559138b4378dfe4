"""Which process owns a hold, and whether it still lives.

A process is known by the boot of its machine, its pid namespace, its pid and the time it started;
so neither a reused pid nor another container is mistaken for it. Where that cannot be told (no
/proc, another boot, another namespace, another machine) nobody is presumed dead: the lease decides.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

_PARTS = 3
# Of /proc/PID/stat, behind the command's closing parenthesis: the state, and the start in ticks.
_STATE, _START = 0, 19
_DEAD = ("Z", "X")


def myself() -> str:
    """Return the identity of this process; "" where the system does not tell."""
    return _identity(os.getpid())


@lru_cache(maxsize=1)
def _identity(pid: int) -> str:
    place, facts = _place(), _facts(pid)
    return f"{place} {pid} {facts[_START]}" if place and facts else ""


def pid(owner: str) -> int | None:
    """Return the number of that process; None where it is not known."""
    parts = owner.split(" ")
    return int(parts[1]) if len(parts) == _PARTS and parts[1].isdecimal() else None


def gone(owner: str) -> bool:
    """Return whether that process has certainly ended."""
    parts = owner.split(" ")
    if len(parts) != _PARTS or parts[0] != _place() or not parts[1].isdecimal():
        return False
    pid = int(parts[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    facts = _facts(pid)
    # Another user's process may hide what it is: then it counts as alive.
    return bool(facts) and (facts[_START] != parts[2] or facts[_STATE] in _DEAD)


def _place() -> str:
    """Return the boot and the pid namespace of this process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _facts(pid: int) -> list[str]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()

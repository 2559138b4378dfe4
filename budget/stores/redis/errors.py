"""What a Redis server refuses or lacks, as named errors with their cure."""

from __future__ import annotations

from dataclasses import dataclass

from shoestring.budget import errors

# The least that knows what the scripts use.
_LEAST_VERSION = 7

_NOT_PERMITTED = (
    "it does not let this user in, or not do this ({text}): check user and password in the URL, and "
    "the user's ACL, which needs ~PREFIX:* +@read +@write +@scripting +@connection +info +time"
)
_NO_CLUSTER = (
    "Redis Cluster is not supported, because a step changes keys that a cluster keeps apart: "
    "give the URL of a single primary"
)
_REPLICA = "it is a replica and takes no writes: give the URL of its primary"
_FULL = (
    "its memory is full: raise its maxmemory or discard old ledgers, and try again; "
    "nothing was lost"
)
_NO_WRITES = "it takes no writes just now ({text}): see its log"
_BUSY = (
    "a script of another program has kept it busy for {patience:g} seconds: "
    "end it with SCRIPT KILL, or raise RedisStore(patience=…)"
)
_AWAY = (
    "it does not answer ({text}): see that it runs and can be reached; "
    "what is held stays held, and work goes on when it is back"
)
_NOT_TRUSTED = (
    "its TLS certificate is not to be trusted ({text}): give the URL by a name that it is for, and "
    "name the file of its authority's certificate there: ?ssl_ca_certs=/path/ca.pem"
)
_DAMAGED = (
    "keys under the prefix hold what makes no sense: keep a copy, restore an earlier one, "
    "or choose another prefix"
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of trouble: redis-py's names for it, how the server's words begin, or what is in them."""

    names: frozenset[str]
    words: tuple[str, ...]
    error: type[errors.StoreError]
    cure: str
    passes: bool = False
    part: str | None = None

    def fits(self, error: Exception) -> bool:
        if self.part is not None and self.part in str(error):
            return True
        # By name, so that nobody needs redis-py to read this.
        named = {kind.__name__ for kind in type(error).__mro__}
        return not self.names.isdisjoint(named) or str(error).startswith(self.words)


def _kind(
    names: str,
    error: type[errors.StoreError],
    cure: str,
    *,
    words: tuple[str, ...] = (),
    passes: bool = False,
    part: str | None = None,
) -> _Kind:
    return _Kind(frozenset(names.split()), words, error, cure, passes, part)


# The first that fits tells; what passes may be gone at another try.
_KINDS = (
    _kind(
        "AuthenticationError AuthorizationError NoPermissionError",
        errors.StoreUnavailable,
        _NOT_PERMITTED,
        words=("NOPERM", "ERR ACL failure"),
    ),
    _kind("", errors.StoreUnavailable, _NOT_TRUSTED, part="certificate verify failed"),
    _kind("OutOfMemoryError", errors.StoreFull, _FULL),
    _kind("ReadOnlyError", errors.StoreReadOnly, _REPLICA),
    _kind("", errors.StoreReadOnly, _NO_WRITES, words=("MISCONF", "NOREPLICAS")),
    _kind("", errors.StoreLocked, _BUSY, words=("BUSY",), passes=True),
    _kind("MasterDownError TryAgainError", errors.StoreUnavailable, _AWAY, passes=True),
    _kind("AskError ClusterError ClusterCrossSlotError", errors.StoreUnavailable, _NO_CLUSTER),
    _kind("ConnectionError TimeoutError OSError", errors.StoreUnavailable, _AWAY, passes=True),
    # Of a script: what it read was no number, or no text.
    _kind(
        "", errors.StoreCorrupt, _DAMAGED, words=("WRONGTYPE", "user_script", "ERR value is not")
    ),
)
_OTHER = _kind("", errors.StoreUnavailable, "{text}")


def _of(error: Exception) -> _Kind:
    return next((kind for kind in _KINDS if kind.fits(error)), _OTHER)


def passes(error: Exception) -> bool:
    """Whether another try may find the server as it should be."""
    return _of(error).passes


def told(name: str, error: Exception, patience: float) -> errors.StoreError:
    """Return the named error, with its cure."""
    kind = _of(error)
    return kind.error(f"{name}: {kind.cure.format(text=error, patience=patience)}")


def damaged(name: str) -> errors.StoreCorrupt:
    """Return the error for rows that make no sense."""
    return errors.StoreCorrupt(f"{name}: {_DAMAGED}")


def check_server(name: str, info: bytes) -> None:
    """Refuse a server that could forget spending, or does not know what it is asked.

    Raises:
        StoreError: With the cure.
    """
    lines = info.decode("utf-8", "replace").splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    version = facts.get("redis_version", "")
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < _LEAST_VERSION:
        raise errors.StoreUnavailable(
            f"{name}: it is version {version}: Redis {_LEAST_VERSION} or Valkey is needed"
        )
    if facts.get("cluster_enabled") == "1":
        raise errors.StoreUnavailable(f"{name}: {_NO_CLUSTER}")
    if facts.get("role") == "slave":
        raise errors.StoreReadOnly(f"{name}: {_REPLICA}")
    policy = facts.get("maxmemory_policy", "")
    if policy.startswith("allkeys-"):
        raise errors.StoreUnavailable(
            f"{name}: its maxmemory-policy {policy} may evict ledgers, and forget what was spent: "
            f"set maxmemory-policy noeviction, or use another server"
        )


def check_schema(name: str, schema: object, known: int) -> None:
    """Refuse what a newer shoestring has written, or nobody.

    Raises:
        StoreError: With the cure.
    """
    if not isinstance(schema, bytes) or not schema.isdigit() or not int(schema):
        raise damaged(name)
    if int(schema) > known:
        raise errors.StoreTooNew(
            f"{name}: a newer shoestring wrote it (schema {int(schema)}, this one knows {known}): "
            f"upgrade shoestring; it was left as it is"
        )

"""One connection to a Redis server, on which scripts run; redis-py speaks the protocol."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from shoestring.budget.extras import require


class Wire:
    """A connection that is opened when it is told to, and never tries anything twice.

    Trying again is left to who knows whether the first time was answered.

    Args:
        url: As redis-py reads it.
        timeout: Seconds to wait for a connection, and for an answer.
        prefix: The key that each script is given.

    Raises:
        MissingExtra: If redis-py is not installed.
        ValueError: If the URL makes no sense.
    """

    def __init__(self, url: str, timeout: float, prefix: str) -> None:
        # Half typed, and wanted by this store alone: loaded here, and held as Any.
        connection: Any = require("redis.connection", "redis")
        retry: Any = require("redis.retry", "redis")
        backoff: Any = require("redis.backoff", "redis")
        errors: Any = require("redis.exceptions", "redis")
        self._prefix = prefix
        # Whether it is open to a server that was looked at.
        self.ready = False
        # What may go wrong, and what leaves the connection as it was.
        self.errors: tuple[type[Exception], ...] = (errors.RedisError, OSError)
        self._refusal: type[Exception] = errors.ResponseError
        self._unknown: type[Exception] = errors.NoScriptError
        pool = connection.ConnectionPool.from_url(
            url,
            protocol=2,
            retry=retry.Retry(backoff.NoBackoff(), 0),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
        )
        self._connection = pool.make_connection()

    def open(self) -> None:
        """Connect, and sign in."""
        self._connection.connect()

    def close(self) -> None:
        """Hang up; in a forked process, only its own end."""
        self.ready = False
        self._connection.disconnect()

    def ask(self, *command: str | bytes | int) -> Any:  # noqa: ANN401  an answer comes in any shape
        """Return what the server answers to a command.

        Raises:
            redis.RedisError: If it refuses, or cannot be reached.
        """
        try:
            self._connection.send_command(*command)
            return self._connection.read_response()
        except BaseException as error:
            # An answer that nobody has read would be taken for that to the next question.
            if not isinstance(error, self._refusal):
                self.close()
            raise

    def run(self, script: str, *args: str | bytes | int) -> list[Any]:
        """Return what a script answers; it is loaded where the server does not know it."""
        try:
            answer: list[Any] = self.ask("EVALSHA", _sha(script), 1, self._prefix, *args)
        except self._unknown:
            answer = self.ask("EVAL", script, 1, self._prefix, *args)
        return answer


@lru_cache(maxsize=8)
def _sha(script: str) -> str:
    """Return the name a server gives to a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()

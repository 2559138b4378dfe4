"""How a failed call ended: surely unbilled, never sent, or unknown."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoestring.models.providers import Provider


def was_refused(
    error: BaseException, provider: Provider, handled: BaseException | None = None
) -> str:
    """Why an error surely cost no tokens, in a few words; empty where it may have.

    Args:
        error: What ended the call.
        provider: The model's entry in the table.
        handled: What the caller was handling when it made the call: another call's failure.
    """
    for one in _chain(error, handled):
        status = _status(one)
        if status in provider.unbilled and (provider.attempts == 1 or _was_first(one)):
            return f"HTTP {status}"
    return ""


def never_connected(
    error: BaseException, provider: Provider, handled: BaseException | None = None
) -> bool:
    """Whether the request was never sent, because no connection was made.

    Of several attempts the error says how the last one ended: an earlier one may have been sent.

    Args:
        error: What ended the call.
        provider: The model's entry in the table.
        handled: What the caller was handling when it made the call: another call's failure.
    """
    return provider.attempts == 1 and any(
        isinstance(one, ConnectionRefusedError | socket.gaierror)
        or type(one).__name__ in {"ConnectError", "ConnectTimeout", "PoolTimeout"}
        for one in _chain(error, handled)
    )


def _chain(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, up to what was there before the call.

    Python hangs a new error on whatever is being handled, also far up the stack: a retry inside an
    `except` carries the failure of the first call.
    """
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and one is not handled and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _was_first(error: BaseException) -> bool:
    """Whether a client that may retry says that the error answers its first attempt."""
    response = getattr(error, "response", None)
    # botocore
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    return metadata.get("RetryAttempts") == 0


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        # botocore
        response = response.get("ResponseMetadata", {})
        found = response.get("HTTPStatusCode")
    else:
        found = getattr(error, "status_code", None)
        if found is None:
            found = getattr(response, "status_code", None)
        if found is None:
            # google-genai
            found = getattr(error, "code", None)
    return found if isinstance(found, int) and not isinstance(found, bool) else None

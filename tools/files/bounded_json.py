"""JSON files that anybody may have written, read within a bound."""

import json
from pathlib import Path
from typing import Any

__all__ = ["BadJSON", "read_json"]


class BadJSON(ValueError):  # noqa: N818 - it names what is wrong
    """A file is missing, too large or not JSON; the message goes on after its name."""


def read_json(path: Path | str, largest: int) -> Any:  # noqa: ANN401 - whatever it holds
    """Read a JSON file of at most `largest` bytes.

    Raises:
        BadJSON: If it cannot be read, is larger, or is not JSON.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise BadJSON(f"cannot be read: {error.strerror}") from error
    if len(data) > largest:
        raise BadJSON(f"is larger than {largest:,} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadJSON("is not JSON") from error

"""JSON that anybody may have written is read within a bound, and what is wrong is named."""

from pathlib import Path

import pytest

from shoestring.tools.files.bounded_json import BadJSON, read_json


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": "' + b"b" * 100 + b'"}', "is larger than 64 bytes"),
        (b"{", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"[" * 64, "is not JSON"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    """A file that is too large, cut, in another encoding or nested without end is refused."""
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(BadJSON, match=said):
        read_json(path, 64)


def test_a_file_up_to_the_bound_is_read(tmp_path: Path) -> None:
    """A file of just so many bytes is read; a missing one is named."""
    path = tmp_path / "file.json"
    path.write_text('{"a": 1}')
    assert read_json(path, 8) == {"a": 1}
    with pytest.raises(BadJSON, match="cannot be read: No such file"):
        read_json(tmp_path / "none", 8)

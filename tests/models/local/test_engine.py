"""The engine and its process: silent, safe to fork beside, ending cleanly amid an answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = "from shoestring.models.local.chat import LocalChatModel\nm = LocalChatModel(threads=1)\n"
IN_FLIGHT = (
    START
    + """
stream = m.stream('Tell a very long story.', max_tokens=4000)
assert next(stream).text
"""
)


def _python(code: str) -> tuple[int, str, str]:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_a_process_ends_in_the_middle_of_an_answer_in_silence() -> None:
    """llama.cpp prints nothing, and the exit neither waits for the answer nor aborts."""
    assert _python(IN_FLIGHT + "import sys; sys.exit(3)") == (3, "", "")


@pytest.mark.slow
def test_a_thread_that_waits_at_exit_is_told() -> None:
    """A thread whose answer cannot come any more gets an error, so that the process can end."""
    code = (
        START
        + """
import threading
from shoestring.models.local.engine import EngineError
started = threading.Event()
def ask():
    try:
        for _ in m.stream('Tell a very long story.', max_tokens=4000):
            started.set()
    except EngineError as error:
        print(error)
threading.Thread(target=ask).start()
started.wait()
"""
    )
    expected = "the local model stopped before its answer was complete\n"
    assert _python(code) == (0, expected, "")


@pytest.mark.slow
def test_an_event_loop_that_is_gone_stops_its_answers() -> None:
    """A loop that closes in the middle of an answer leaves nothing behind that complains."""
    code = (
        START
        + """
import asyncio
async def begin():
    async for chunk in m.astream('Tell a very long story.', max_tokens=4000):
        return chunk.text
assert asyncio.run(begin())
print(m.invoke('hi', max_tokens=1).usage_metadata['output_tokens'])
"""
    )
    assert _python(code) == (0, "1\n", "")


@pytest.mark.slow
def test_a_fork_neither_hangs_nor_uses_the_parents_model() -> None:
    """A child forked beside a loaded model is refused it with the cure, and exits as it meant."""
    code = (
        START
        + """
import os, sys
m.invoke('hi', max_tokens=1)
pid = os.fork()
if pid == 0:
    try:
        m.invoke('hi', max_tokens=1)
    except Exception as error:
        print(error)
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(m.invoke('hi', max_tokens=1).usage_metadata['output_tokens'])
"""
    )
    status, out, err = _python(code)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert "spawn" in lines[0]
    assert lines[1:] == ["7", "1"]

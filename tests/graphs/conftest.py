"""The checkpointers that LangGraph is tried with."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator


def programs() -> Path | None:
    """Where PostgreSQL's programs are: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of these tests alone, on a socket in a folder of its own."""
    bin_ = programs()
    if bin_ is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    home = Path(tempfile.mkdtemp(prefix="pg"))
    owner = None
    if os.geteuid() == 0:  # it does not run as root
        names = {each.pw_name for each in pwd.getpwall()}
        owner = "postgres" if "postgres" in names else "nobody"
        shutil.chown(home, owner)

    def run(program: str, *arguments: str) -> None:
        command = [str(bin_ / program), "-D", str(home / "data"), *arguments]
        # Its output goes to a file: a server that inherits a pipe keeps it open.
        with (home / "log").open("a") as log:
            subprocess.run(
                command, check=True, stdout=log, stderr=log, timeout=60, cwd=home, user=owner
            )

    try:
        run("initdb", "-U", "me", "-A", "trust", "-N")
        run("pg_ctl", "-o", f"-k {home} -c listen_addresses= -c fsync=off", "-w", "start")
        try:
            yield f"host={home} user=me dbname=postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


@contextmanager
def opened(kind: str, request: pytest.FixtureRequest, folder: Path) -> Generator[Any]:
    """A checkpointer for synchronous runs."""
    if kind == "memory":
        yield InMemorySaver()
    elif kind == "sqlite":
        with SqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
            yield saver
    else:
        with PostgresSaver.from_conn_string(request.getfixturevalue("postgres")) as saver:
            saver.setup()
            yield saver


@asynccontextmanager
async def aopened(kind: str, dsn: str, folder: Path) -> AsyncGenerator[Any]:
    """The same for asynchronous runs."""
    if kind == "memory":
        yield InMemorySaver()
    elif kind == "sqlite":
        async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
            yield saver
    else:
        async with AsyncPostgresSaver.from_conn_string(dsn) as saver:
            await saver.setup()
            yield saver


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Each checkpointer in turn."""
    with opened(request.param, request, tmp_path) as found:
        yield found


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def asaver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    """Each checkpointer in turn, for asynchronous runs."""
    dsn = request.getfixturevalue("postgres") if request.param == "postgres" else ""
    async with aopened(request.param, dsn, tmp_path) as found:
        yield found


@pytest.fixture
def thread(request: pytest.FixtureRequest) -> Any:
    """The configuration of a thread of this test alone: the PostgreSQL server is shared."""
    return {"configurable": {"thread_id": request.node.name}}

"""Who keeps a cap? One budget, eight workers, and a model server that keeps its own count.

    python benchmarks/overspend.py [--install] [--only NAME ...]

The cap is 1,000 tokens and a call costs 400, so two calls fit. Eight workers share the budget; each
calls until it is refused, five times at most, and each call takes 0.1 s. "real" is what the server
billed; "alone" is one worker. Threads have the context variables of their parent carried to them,
raw threads do not. Last, one call is billed and answered with an error 500: what is recorded?

Each package is used as its own pages say, in benchmarks/peers/with_*.py, and runs in a process of
its own. `--install` makes a virtual environment for each, with pinned versions, below `--folder`;
without it, what is installed there or importable here runs, and the rest is listed as not run.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PEERS = Path(__file__).absolute().parent / "peers"
PATIENCE = 300.0  # seconds a run, or an installation, may take
LATENCY = 0.1  # seconds a call takes, so that calls of different workers overlap
INPUT, OUTPUT, CAP = 300, 100, 1_000
CLIENT = "openai==3.54.0"
# What a package is put through, and the head of its column.
SCENARIOS = {
    "alone": "alone",
    "threads": "8 threads",
    "raw": "8 raw threads",
    "tasks": "8 tasks",
    "raises": "recorded of a billed error",
}


@dataclass(frozen=True)
class Package:
    """A package under test: how it is called, installed, found, and what it claims to support."""

    name: str
    adapter: str
    module: str
    requires: tuple[str, ...] = ()
    threads: bool = True
    tasks: bool = True
    environment: dict[str, str] = field(default_factory=dict)


PACKAGES = (
    Package("**shoestring**, memory", "shoestring", "shoestring"),
    Package("**shoestring**, SQLite", "shoestring", "shoestring", environment={"STORE": "sqlite"}),
    Package("hardcap (gateway, Redis)", "hardcap", "hardcap", ("hardcap==0.1.0", CLIENT)),
    Package("agentbudget", "agentbudget", "agentbudget", ("agentbudget==0.4.0", CLIENT)),
    Package(
        "agent-budget-guard-py, preflight",
        "agentguard",
        "agentguard",
        ("agent-budget-guard-py==0.4.0", CLIENT),
    ),
    Package(
        "agentcap-guard", "agentcap", "agentcap", ("agentcap-guard==0.1.0", CLIENT), tasks=False
    ),
    Package(
        "agentbreaker-sdk", "agentbreaker", "agentbreaker", ("agentbreaker-sdk==2.1.0", CLIENT)
    ),
    Package(
        "agent-tokenops", "tokenops", "tokenops", ("agent-tokenops==2.0.1", CLIENT), tasks=False
    ),
    Package(
        "pydantic-ai, UsageLimits",
        "pydantic_ai",
        "pydantic_ai",
        ("pydantic-ai-slim[openai]==2.68.0",),
    ),
    Package(
        "inspect-ai, token_limit",
        "inspect",
        "inspect_ai",
        ("inspect-ai==0.3.285", CLIENT),
        threads=False,
    ),
    Package(
        "litellm, max_budget",
        "litellm",
        "litellm",
        ("litellm==1.106.2",),
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    ),
    Package("LangChain, ModelCallLimitMiddleware(2)", "langchain", "langchain"),
)


class Server(ThreadingHTTPServer):
    """Speaks OpenAI's chat completions on the loopback, and counts what it bills."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.calls = 0
        self.failing = False
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def billed(self) -> int:
        """The tokens billed."""
        return self.calls * (INPUT + OUTPUT)


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""

    def do_POST(self) -> None:
        """Bill a call, take some time, and answer, or fail."""
        self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.calls += 1
        time.sleep(LATENCY)
        failing = self.server.failing
        body = json.dumps({"error": {"message": "boom"}} if failing else _ANSWER).encode()
        self.send_response(500 if failing else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


_ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "word" + " word" * (OUTPUT - 1)},
        }
    ],
    "usage": {
        "prompt_tokens": INPUT,
        "completion_tokens": OUTPUT,
        "total_tokens": INPUT + OUTPUT,
    },
}


def python_for(package: Package, folder: Path) -> Path | None:
    """Return the interpreter that has the package; None if none has."""
    own = folder.absolute() / package.adapter / "bin" / "python"
    if own.exists():
        return own
    return Path(sys.executable) if importlib.util.find_spec(package.module) else None


def install(package: Package, folder: Path) -> None:
    """Install a package into an environment of its own, and say so if that fails."""
    place = folder / package.adapter
    if not package.requires or (place / "bin" / "python").exists():
        return
    print(f"installing {', '.join(package.requires)} ...", file=sys.stderr)
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", *package.requires]
    try:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run(pip, check=True, timeout=PATIENCE)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"could not install {package.name}: {error}", file=sys.stderr)
        (place / "bin" / "python").unlink(missing_ok=True)


def run(package: Package, python: Path, what: str, server: Server) -> dict[str, Any] | None:
    """Put a package through one scenario; None if its process failed."""
    server.calls, server.failing = 0, what == "raises"
    command = [str(python), str(PEERS / f"with_{package.adapter}.py"), what, server.url]
    try:
        # Some leave files where they run.
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                command,
                cwd=folder,
                env=os.environ | package.environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
    except subprocess.CalledProcessError as error:
        print(f"{package.name}, {what}: {error.stderr.strip()[-600:]}", file=sys.stderr)
        return None
    except subprocess.TimeoutExpired:
        print(f"{package.name}, {what}: no end within {PATIENCE:.0f} s", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{package.name}, {what}: billed {server.billed}, {found}", file=sys.stderr)
    return found | {"billed": server.billed}


def row(package: Package, folder: Path, server: Server) -> list[str]:
    """Return the cells of one package: name, version, and what came of each run."""
    python = python_for(package, folder)
    if python is None:
        return [package.name, "not run", *("" for _ in SCENARIOS)]
    cells: list[str] = []
    version = ""
    claims = {"threads": package.threads, "raw": package.threads, "tasks": package.tasks}
    for what in SCENARIOS:
        claimed = claims.get(what, True)
        found = run(package, python, what, server) if claimed else None
        if found is None:
            cells.append("failed" if claimed else "–")
            continue
        version = found["version"]
        kept = f"{found['recorded']:,.0f}"
        kept += f", {found['held']:,.0f} held" if found["held"] else ""
        billed = f"{found['billed']:,}"
        over = found["billed"] > CAP
        cells.append(
            f"{kept} of {billed}"
            if what == "raises"
            else f"{f'**{billed}**' if over else billed} ({kept})"
        )
    return [package.name, version, *cells]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Who keeps a cap?")
    parser.add_argument("--install", action="store_true", help="install the packages first")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those with this in their name")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "shoestring-bench"
    )
    options = parser.parse_args()
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    heads = ("package", "version", *SCENARIOS.values())
    print("|", " | ".join(heads), "|")
    print("|---" * len(heads), "|", sep="")
    for package in PACKAGES:
        if options.only and not any(name in package.name for name in options.only):
            continue
        if options.install:
            install(package, options.folder)
        print("|", " | ".join(row(package, options.folder, server)), "|", flush=True)
    server.shutdown()


if __name__ == "__main__":
    main()

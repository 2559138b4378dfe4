"""hardcap: its gateway in front of the model, over a Redis server of its own."""

import atexit
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from harness import CAP, MODEL, Peer, client, main, request


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(command: list[str], port: int) -> None:
    """Start a server that ends with us, and wait until it listens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(process.wait)
    atexit.register(process.terminate)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"{command[0]} did not start")


class HardcapPeer(Peer):
    package = "hardcap"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        redis = shutil.which("redis-server")
        if redis is None:
            raise SystemExit("needs redis-server")
        store, gateway = free_port(), free_port()
        started([redis, "--port", str(store), "--bind", "127.0.0.1", "--save", ""], store)
        config = {
            "listen": {"host": "127.0.0.1", "port": gateway},
            "redis_url": f"redis://127.0.0.1:{store}/0",
            # The gateway adds the path itself.
            "upstreams": {"model": {"base_url": url.removesuffix("/v1")}},
            "routes": {MODEL: {"targets": [{"upstream": "model", "model": MODEL}]}},
            "tenants": {
                "bench": {"api_keys": ["none"], "budget": {"window_s": 86_400, "total": CAP}}
            },
        }
        file = Path("config.yaml").absolute()
        file.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
        script = str(Path(sys.executable).parent / "hardcap")
        started([script, "serve", "-c", str(file)], gateway)
        self.usage = f"http://127.0.0.1:{gateway}/v1/hardcap/usage"
        self.client = client(f"http://127.0.0.1:{gateway}/v1")
        self.aclient = client(f"http://127.0.0.1:{gateway}/v1", "AsyncOpenAI")

    def call(self) -> None:
        self.client.chat.completions.create(**request())

    async def acall(self) -> None:
        await self.aclient.chat.completions.create(**request())

    def recorded(self) -> float:
        return self.report()["used"]

    def held(self) -> float:
        return self.report()["reserved"]

    def report(self) -> dict[str, int]:
        wanted = urllib.request.Request(self.usage, headers={"authorization": "Bearer none"})
        with urllib.request.urlopen(wanted, timeout=10) as reply:
            found = json.load(reply)
        return {what: sum(found[what].values()) for what in ("used", "reserved")}


main(HardcapPeer)

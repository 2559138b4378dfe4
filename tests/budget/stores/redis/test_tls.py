"""A Redis server that is spoken to over TLS only, under a certificate made for the test."""

from __future__ import annotations

import pickle
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import Amount, Budget, Ledger, RedisStore, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.redis
# Longer than a test may take: nobody is to wait for that.
LONG = 3_600.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for localhost, signed with that key: its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    key, signed = folder / "server.key", folder / "server.crt"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ),
            *("-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", signed),
        ],
        check=True,
        capture_output=True,
    )
    return key, signed


@pytest.fixture(scope="module")
def address(certificate: tuple[Path, Path], start_redis: Callable[..., Any]) -> str:
    """Where the server listens, by a name that its certificate is for."""
    key, signed = certificate
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start_redis(
        *("--tls-port", str(port), "--bind", "127.0.0.1", "--requirepass", "pw"),
        *("--tls-cert-file", str(signed), "--tls-key-file", str(key), "--tls-auth-clients", "no"),
    )
    return f"rediss://:pw@localhost:{port}/0"


def test_a_ledger_is_shared_over_tls(certificate: tuple[Path, Path], address: str) -> None:
    """With the authority's certificate in the URL all goes as without; a pickle carries it along."""
    store = RedisStore(f"{address}?ssl_ca_certs={certificate[1]}")
    ledger = Ledger(Budget(tokens=100), id="root", store=store)
    hold = pickle.loads(pickle.dumps(ledger)).reserve(Amount(60))
    pickle.loads(pickle.dumps(hold)).settle(Amount(40))
    assert ledger.remaining.tokens == 60
    store.discard("root")


def test_a_certificate_of_nobody_known_is_refused(address: str) -> None:
    """Without that authority the server is not trusted: StoreUnavailable with the cure, at once."""
    with pytest.raises(StoreUnavailable, match=r"self-signed.*\?ssl_ca_certs="):
        RedisStore(address, patience=LONG)


def test_a_certificate_for_another_name_is_refused(
    certificate: tuple[Path, Path], address: str
) -> None:
    """A trusted certificate for another host is no proof: StoreUnavailable, at open."""
    elsewhere = address.replace("localhost", "127.0.0.1")
    with pytest.raises(StoreUnavailable, match=r"IP address mismatch.*by a name"):
        RedisStore(f"{elsewhere}?ssl_ca_certs={certificate[1]}", patience=LONG)


def test_who_speaks_no_tls_is_refused(address: str) -> None:
    """`redis://` to a port that wants TLS is StoreUnavailable, and shows no password."""
    with pytest.raises(StoreUnavailable) as caught:
        RedisStore(address.replace("rediss", "redis"), patience=0)
    assert "pw" not in str(caught.value)

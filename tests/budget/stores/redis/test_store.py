"""A Redis server: clients that share it, answers that get lost, and every way it can be wrong."""

from __future__ import annotations

import hashlib
import pickle
import select
import socket
import socketserver
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Hold,
    HoldSettled,
    Ledger,
    LedgerNotFound,
    RedisStore,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from shoestring.budget.extras import MissingExtra
from shoestring.budget.stores.redis.script import KEEP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.redis
LONG = 60.0
# How a commit is known among what is said to a server.
_KEEP = hashlib.sha1(KEEP.encode(), usedforsecurity=False).hexdigest().encode()


def tokens(count: int) -> Amount:
    return Amount(input_tokens=count)


@pytest.fixture
def store(redis_server: Any) -> RedisStore:
    return RedisStore(redis_server.url)


def key_of(ledger: Ledger) -> int:
    account: Any = ledger._origin.account
    return int(account.key)


def ran(server: Any) -> int:
    """Return how often a script has run in the server."""
    with server.client() as client:
        return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])


# Clients that share a ledger


def test_clients_do_not_get_in_each_others_way(redis_server: Any, store: RedisStore) -> None:
    """A step is one round trip, also where others have spent since this client last looked."""
    root = Ledger(Budget(tokens=10**6, usd=9, calls=10**6), id="root", store=store)
    child = root.child(Budget(tokens=10**5), set_aside=True, id="aside")
    clients = [RedisStore(redis_server.url).ledger(name) for name in ("root", "aside") * 3]
    before = ran(redis_server)
    for _ in range(5):
        holds = [client.reserve(Amount(60, 40, 5, 1)) for client in clients]
        for hold in holds:
            hold.dispatching()
        for hold in holds:
            hold.extend(tokens(1))
            hold.settle(Amount(50, 20, 5, 1))
        clients[0].note("plan", "a note")
        with clients[1].reserve(tokens(3)):
            pass
    assert ran(redis_server) - before == 5 * (6 * 4 + 3)
    assert root.spent == Amount(30 * 50, 30 * 20, 30 * 5, 30)
    assert child.held == Amount()


def test_a_settled_hold_is_left_without_a_round_trip(redis_server: Any, store: RedisStore) -> None:
    """What was measured cannot change any more: the end of a `with` block asks nobody."""
    ledger = Ledger(Budget(tokens=100), store=store)
    with ledger.reserve(tokens(10)) as hold:
        hold.settle(tokens(4))
        before = ran(redis_server)
    hold.settle(tokens(4))
    assert ran(redis_server) == before
    assert ledger.spent == tokens(4)


def test_a_refusal_is_never_out_of_date(redis_server: Any, store: RedisStore) -> None:
    """What this client last saw full and closed, and is so no more, is asked of the server."""
    root = Ledger(Budget(tokens=100, seconds=10**6), id="root", store=store)
    other = RedisStore(redis_server.url).ledger("root")
    hold = root.reserve(tokens(100))
    with pytest.raises(BudgetBusy):
        other.reserve(tokens(1))
    hold.release()
    other.reserve(tokens(100)).settle(tokens(60))
    with pytest.raises(BudgetExceeded, match="40 of 100 remain"):
        root.reserve(tokens(41))
    root.pause()
    other.pause()
    root.resume()
    other.pause()  # which it knew to be so, but is not
    assert root._origin.account.clock.state()[1] is not None
    assert other.elapsed == root.elapsed


def test_the_last_of_it_is_given_once_though_all_believe_in_it(
    redis_server: Any, store: RedisStore
) -> None:
    """Clients whose last look showed room for each: the server grants as many as fit."""
    Ledger(Budget(tokens=1_000), id="root", store=store)
    clients = [RedisStore(redis_server.url).ledger("root") for _ in range(6)]
    granted: list[Hold] = []
    for client in clients:
        try:
            granted.append(client.reserve(tokens(400)))
        except BudgetBusy:
            continue
    assert len(granted) == 2
    assert clients[5].held == tokens(800)


def test_steps_that_rely_on_whole_sums_starve_nobody(redis_server: Any, store: RedisStore) -> None:
    """Breaches beyond what a script can count, from many clients at once, are each counted once."""
    Ledger(Budget(calls=10**6), id="root", store=store)
    most = 2**62

    def client(_: int) -> None:
        ledger = RedisStore(redis_server.url, patience=LONG).ledger("root")
        for _ in range(5):
            ledger.reserve(Amount(calls=1)).settle(Amount(most, 0, 1, 1))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(client, range(6)))
    line = store.ledger("root").receipt.lines
    assert sum(one.spent.input_tokens for one in line) == 30 * most
    assert store.ledger("root")._tree.root.spent_in == 30 * most
    assert store.ledger("root").spent.nanodollars == 30


def test_sums_pass_what_a_script_can_count(redis_server: Any, store: RedisStore) -> None:
    """Spending grows past 2**50 and past 2**53, by clients that have last seen less: each unit counts."""
    root = Ledger(Budget(calls=99), id="root", store=store)
    other = RedisStore(redis_server.url).ledger("root")
    spent = 0
    for most in (2**49 - 1, 2**50, 2**51 + 1, 2**52 + 1, 2**53 - 1, 2**62 + 1):
        for ledger in (root, other):
            hold = ledger.reserve(Amount(0, 0, most, 1))
            hold.settle(Amount(0, 0, most, 1))
            spent += most
            assert root._tree.run(_money, root._origin.account) == spent
            assert other._tree.run(_money, other._origin.account) == spent


def _money(_now: float, account: Any) -> int:
    return int(account.spent_money)


def test_a_claim_lets_one_client_pass(redis_server: Any, store: RedisStore) -> None:
    """Who came too late again and again may claim the tree; others wait, and go on when it is over."""
    root = Ledger(Budget(tokens=100), id="root", store=store)
    key = f"shoestring:tree:{key_of(root)}"
    with redis_server.client() as client:
        seconds, _ = client.time()
        client.hset(key, mapping={"claim": "another", "until": seconds + 10**6})
        with pytest.raises(StoreLocked, match="raise RedisStore"):
            RedisStore(redis_server.url, patience=0).ledger("root").reserve(tokens(1))
        assert root.held == Amount()
        client.hset(key, "until", seconds - 1)
    root.reserve(tokens(1))
    assert root.held == tokens(1)


def test_time_is_the_servers(
    redis_server: Any, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host whose clock is wrong ends no lease early and opens no window: one clock counts for all."""
    monkeypatch.setattr("time.time", lambda: 0.0)
    hold = Ledger(Budget(tokens=10, per="day"), id="root", store=store).reserve(tokens(1), lease=30)
    with redis_server.client() as client:
        seconds, _ = client.time()
    assert abs(hold._record.deadline - seconds - 30) < 20
    assert RedisStore(redis_server.url).ledger("root").held == tokens(1)


def test_a_finaliser_in_the_middle_of_a_step_comes_after_it(store: RedisStore) -> None:
    """Leaving a hold from inside a step, as a garbage collector may, neither deadlocks nor is lost."""
    ledger, other = (Ledger(Budget(tokens=100), store=store) for _ in range(2))
    hold = other.reserve(tokens(10))

    def interrupted(_now: float, _account: object) -> None:
        hold.settle(tokens(4))
        with pytest.raises(BudgetBusy, match="finaliser"):
            other.reserve(tokens(1))

    ledger._tree.run(interrupted, ledger._origin.account)
    assert (other.spent, other.held) == (tokens(4), Amount())


def test_a_discarded_tree_leaves_nothing_behind(redis_server: Any, store: RedisStore) -> None:
    """Discarding deletes every key of the tree, and its old handles say what has become of it."""
    root = Ledger(Budget(tokens=100, repeats=3), id="root", store=store)
    run = root.child(id="run")
    run.calling("search", {})
    hold = run.reserve(tokens(5))
    kept = Ledger(Budget(tokens=1), id="kept", store=store)
    store.discard("root")
    with redis_server.client() as client:
        keys = {key.decode() for key in client.scan_iter()}
    assert {key for key in keys if ":last:" not in key} == {
        *("shoestring:schema", "shoestring:keys", "shoestring:ids"),
        f"shoestring:tree:{key_of(kept)}",
    }
    for use in (
        lambda: hold.settle(tokens(1)),
        lambda: root.reserve(tokens(1)),
        lambda: root.spent,
    ):
        with pytest.raises(LedgerNotFound):
            use()


# Answers that get lost


class _Cutter(socketserver.ThreadingUnixStreamServer):
    """Passes on what is said to a server; cuts the line around a commit when told to."""

    daemon_threads = True

    def __init__(self, folder: Path, server: str) -> None:
        self.target = server
        self.url = f"unix://{folder / 'cutter'}"
        # How to cut at the next commits: before they arrive, or before they are answered.
        self.cuts: list[str] = []
        super().__init__(str(folder / "cutter"), _Passing)


class _Passing(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        cutter: Any = self.server
        cut = ""
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(cutter.target)
            while True:
                ready, _, _ = select.select([self.request, server], [], [])
                for one in ready:
                    data = one.recv(1 << 20)
                    if not data:
                        return
                    if one is self.request:
                        if _KEEP in data and cutter.cuts:
                            cut = cutter.cuts.pop(0)
                        if cut == "before":
                            return
                        server.sendall(data)
                    elif cut == "after":
                        return
                    else:
                        self.request.sendall(data)


@pytest.fixture
def cutter(redis_server: Any) -> Iterator[_Cutter]:
    with (
        tempfile.TemporaryDirectory() as folder,
        _Cutter(Path(folder), str(redis_server.socket)) as cutter,
    ):
        thread = threading.Thread(target=cutter.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield cutter
        cutter.shutdown()
        thread.join()


@pytest.mark.parametrize("cuts", [["before"], ["after"], ["after", "before", "after"]], ids=str)
def test_a_lost_answer_is_asked_for_again(
    redis_server: Any, cutter: _Cutter, cuts: list[str]
) -> None:
    """Cut before or after the server has done it, a step is done once: nothing twice, nothing lost."""
    ledger = Ledger(
        Budget(tokens=1_000, calls=99, repeats=9), id="root", store=RedisStore(cutter.url)
    )
    truth = RedisStore(redis_server.url).ledger("root")

    def cutting(do: Callable[[], Any]) -> Any:
        cutter.cuts[:] = cuts
        done = do()
        assert cutter.cuts == []
        return done

    hold = cutting(lambda: ledger.reserve(tokens(100)))
    assert (truth.held, len(truth.receipt.lines)) == (tokens(100), 1)
    cutting(lambda: hold.extend(tokens(50)))
    assert truth.held == tokens(150)
    cutting(hold.dispatching)
    cutting(lambda: hold.settle(tokens(120)))
    assert (truth.held, truth.spent) == (Amount(), tokens(120))
    child = cutting(lambda: ledger.child(Budget(tokens=300), id="child", set_aside=True))
    assert truth.held.tokens == 300
    cutting(child.close)
    cutting(lambda: ledger.note("plan", "a note"))
    cutting(lambda: ledger.calling("search", {}))
    cutting(ledger.reserve(tokens(5)).release)
    assert (truth.held, truth.spent, len(truth.receipt.lines)) == (Amount(), tokens(120), 2)
    made = cutting(lambda: Ledger(Budget(tokens=1), id="made", store=ledger.store))
    assert RedisStore(redis_server.url).ledger("made").remaining == made.remaining


def test_an_answer_lost_for_good_holds_rather_than_forgets(
    redis_server: Any, cutter: _Cutter
) -> None:
    """With no time left to ask again, StoreUnavailable; what was done stands, and is seen next time."""
    ledger = Ledger(Budget(tokens=100), id="root", store=RedisStore(cutter.url, patience=0))
    hold = ledger.reserve(tokens(10))
    cutter.cuts[:] = ["after"]
    with pytest.raises(StoreUnavailable, match="what is held stays held"):
        hold.settle(tokens(4))
    assert (ledger.spent, ledger.held, hold.state) == (tokens(4), Amount(), "settled")
    hold.settle(tokens(4))
    cutter.cuts[:] = ["before"]
    with pytest.raises(StoreUnavailable):
        ledger.reserve(tokens(10))
    assert ledger.held == Amount()


def test_a_server_that_has_forgotten_an_answer_says_so(
    redis_server: Any, cutter: _Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server cannot tell whether a step was done, it is not done again."""
    store = RedisStore(cutter.url)
    ledger = Ledger(Budget(tokens=100), id="root", store=store)
    reopened = store.session._open

    def forget() -> None:
        reopened()
        with redis_server.client() as client:
            client.delete(f"shoestring:last:{store.session._id}")

    monkeypatch.setattr(store.session, "_open", forget)
    cutter.cuts[:] = ["after"]
    with pytest.raises(StoreUnavailable, match="kept or not"):
        ledger.reserve(tokens(10))
    assert ledger.held == tokens(10)


# A server that comes and goes


def test_a_server_that_is_down_is_named(tmp_path: Path) -> None:
    """Down at open: StoreUnavailable with the cure, and without the password."""
    for url in (f"unix://:secret@{tmp_path}/none", "redis://user:secret@127.0.0.1:1/0"):
        with pytest.raises(StoreUnavailable, match="see that it runs and can be reached") as caught:
            RedisStore(url, patience=0)
        assert "secret" not in str(caught.value)


def test_work_goes_on_when_the_server_is_back(start_redis: Callable[..., Any]) -> None:
    """Down mid-run, killed: new work is refused, holds stay, and all goes on when it is back."""
    server = start_redis("--appendonly", "yes", "--appendfsync", "always")
    ledger = Ledger(Budget(tokens=100), id="root", store=RedisStore(server.url, patience=0))
    ledger.reserve(tokens(20)).settle(tokens(15))
    hold = ledger.reserve(tokens(10))
    server.kill()
    for use in (
        lambda: ledger.reserve(tokens(1)),
        lambda: hold.settle(tokens(9)),
        lambda: ledger.spent,
    ):
        with pytest.raises(StoreUnavailable, match="work goes on when it is back"):
            use()
    assert hold._record.state == "reserved"
    server.start()
    assert (ledger.spent, ledger.held) == (tokens(15), tokens(10))
    hold.settle(tokens(9))
    ledger.reserve(tokens(76)).release()
    assert RedisStore(server.url).ledger("root").spent == tokens(24)


def test_patience_bridges_a_restart(start_redis: Callable[..., Any]) -> None:
    """A step that begins while the server is down is done when it is back in time, once."""
    server = start_redis("--appendonly", "yes", "--appendfsync", "always")
    ledger = Ledger(Budget(tokens=100), id="root", store=RedisStore(server.url, patience=LONG))
    server.kill()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ledger.reserve, tokens(10))
        server.start()
        future.result(LONG)
    assert ledger.held == tokens(10)


@pytest.mark.parametrize("taken", ["hold", "note", "nothing"])
def test_a_hold_that_a_crash_of_the_server_lost_is_no_other(
    redis_server: Any, store: RedisStore, taken: str
) -> None:
    """Where the server has lost its last moments, settling says so, and touches no one else's hold."""
    root = Ledger(Budget(tokens=100), id="root", store=store)
    key = key_of(root)
    with redis_server.client() as client:
        before = {name: client.dump(name) for name in client.scan_iter()}
        lost = root.reserve(tokens(10))
        client.delete(f"shoestring:entries:{key}", f"shoestring:leases:{key}")
        for name, value in before.items():
            client.restore(name, 0, value, replace=True)
    other = RedisStore(redis_server.url).ledger("root")
    if taken == "hold":
        hold = other.reserve(tokens(10))
        assert hold.id == lost.id
    if taken == "note":
        other.note("call", "")
    with pytest.raises(HoldSettled, match="reserve again"):
        lost.settle(tokens(4))
    assert (other.spent, other.held) == (Amount(), tokens(10) if taken == "hold" else Amount())


def test_scripts_that_the_server_has_forgotten_are_told_again(
    redis_server: Any, store: RedisStore
) -> None:
    """After SCRIPT FLUSH, or on another server after a failover, steps go on."""
    ledger = Ledger(Budget(tokens=100), store=store)
    with redis_server.client() as client:
        client.script_flush()
    ledger.reserve(tokens(10)).settle(tokens(5))
    assert ledger.spent == tokens(5)


# A server that refuses


def test_a_wrong_password_is_named_and_not_shown(start_redis: Callable[..., Any]) -> None:
    """Wrong or missing: StoreUnavailable that speaks of user, password and ACL, and tells neither."""
    server = start_redis("--requirepass", "right")
    for url in (server.url, f"unix://:wr0ng@{server.socket}"):
        with pytest.raises(StoreUnavailable, match="check user and password") as caught:
            RedisStore(url)
        assert "wr0ng" not in str(caught.value)
    store = RedisStore(f"unix://:right@{server.socket}?db=0")
    Ledger(Budget(tokens=9), id="root", store=store)
    assert "right" not in repr(store) + repr(store.session) + repr(store.ledger("root"))
    assert pickle.loads(pickle.dumps(store)).ledger("root").limit.tokens == 9
    store.close()


def test_a_user_with_the_documented_rights_may_do_all(redis_server: Any) -> None:
    """The rights that the message names are enough; with fewer, the message names them."""
    user = f"unix://worker:open-sesame@{redis_server.socket}"
    rights = "+@read +@write +@scripting +@connection +info +time"
    with redis_server.client() as client:
        client.execute_command(
            "ACL",
            "SETUSER",
            "worker",
            "reset",
            "on",
            ">open-sesame",
            "~shoestring:*",
            *rights.split(),
        )
        store = RedisStore(user)
        root = Ledger(Budget(tokens=100, repeats=2), id="root", store=store)
        root.calling("tool", 1)
        root.reserve(tokens(10)).settle(tokens(5))
        assert len(store.ledger("root").receipt.lines) == 1
        store.discard("root")
        for lost in ("-info", "-hset", "-time"):
            client.execute_command("ACL", "SETUSER", "worker", lost)
            with pytest.raises(StoreUnavailable, match=r"\+@read \+@write") as caught:
                Ledger(Budget(tokens=1), store=RedisStore(user))
            assert "open-sesame" not in str(caught.value)
        client.execute_command("ACL", "DELUSER", "worker")


def test_a_full_memory_is_named_and_loses_nothing(start_redis: Callable[..., Any]) -> None:
    """StoreFull as a whole: neither hold nor ledger has moved; with room again, work goes on."""
    server = start_redis("--maxmemory-policy", "noeviction")
    ledger = Ledger(Budget(tokens=100), id="root", store=RedisStore(server.url))
    hold = ledger.reserve(tokens(10))
    with server.client() as client:
        client.config_set("maxmemory", "1")
        for step in (
            lambda: ledger.reserve(tokens(1)),
            lambda: hold.settle(tokens(4)),
            lambda: ledger.child(id="child"),
        ):
            with pytest.raises(StoreFull, match="raise its maxmemory"):
                step()
        assert (ledger.held, ledger.spent, hold._record.state) == (tokens(10), Amount(), "reserved")
        client.config_set("maxmemory", "0")
    hold.settle(tokens(4))
    assert (ledger.held, ledger.spent) == (Amount(), tokens(4))


def test_a_replica_is_refused(start_redis: Callable[..., Any]) -> None:
    """A replica at open, or a primary that becomes one, is StoreReadOnly with the cure."""
    server = start_redis()
    ledger = Ledger(Budget(tokens=100), id="root", store=RedisStore(server.url))
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")
        with pytest.raises(StoreReadOnly, match="give the URL of its primary"):
            RedisStore(server.url)
        with pytest.raises(StoreReadOnly, match="give the URL of its primary"):
            ledger.reserve(tokens(1))
        client.replicaof("NO", "ONE")
    ledger.reserve(tokens(1))
    assert ledger.held == tokens(1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--maxmemory-policy", "allkeys-lru"], "set maxmemory-policy noeviction"),
        (
            ["--cluster-enabled", "yes", "--cluster-port", "{port}"],
            "Redis Cluster is not supported",
        ),
    ],
    ids=["evicting", "cluster"],
)
def test_a_server_that_could_forget_is_refused(
    start_redis: Callable[..., Any], options: list[str], told: str
) -> None:
    """One that evicts any key, or spreads keys over many, is refused at open, with the cure."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start_redis(*(option.format(port=port) for option in options))
    with pytest.raises(StoreUnavailable, match=told):
        RedisStore(server.url)


def test_a_server_that_is_kept_busy_is_named(start_redis: Callable[..., Any]) -> None:
    """Another program's endless script is StoreLocked, with the cure; then work goes on."""
    server = start_redis("--busy-reply-threshold", "1")
    ledger = Ledger(Budget(tokens=100), store=RedisStore(server.url, patience=0))
    with server.client() as client, ThreadPoolExecutor(1) as pool:
        endless = pool.submit(
            pytest.raises, redis.ResponseError, client.eval, "while true do end", 0
        )
        with server.client() as other:
            with pytest.raises(redis.ResponseError, match="BUSY"):
                while True:  # until the server has noticed
                    other.ping()
            with pytest.raises(StoreLocked, match="SCRIPT KILL"):
                ledger.reserve(tokens(1))
            other.script_kill()
        endless.result(LONG)
    ledger.reserve(tokens(1))


# What a server may hold


@pytest.mark.parametrize("value", ["", "nonsense", "[]", "-1,2", "1,2,3,4,5,6,7,8,9", "null"])
@pytest.mark.parametrize("name", ["state", "sums", "meta"])
def test_an_account_of_nonsense_is_named(
    redis_server: Any, store: RedisStore, name: str, value: str
) -> None:
    """Figures that make no sense are StoreCorrupt, not another budget; nothing is changed."""
    root = Ledger(Budget(tokens=100), id="root", store=store)
    tree = f"shoestring:tree:{key_of(root)}"
    with redis_server.client() as client:
        client.hset(tree, f"{key_of(root)}:{name}", value)
        before = client.hgetall(tree)
        for use in (
            lambda: RedisStore(redis_server.url).ledger("root").spent,
            lambda: root.reserve(tokens(1)) if name != "meta" else root.receipt,
        ):
            with pytest.raises(StoreCorrupt, match="choose another prefix"):
                use()
        assert client.hgetall(tree) == before


@pytest.mark.parametrize("kind", ["tree", "entries", "leases", "owners", "below", "ids", "schema"])
def test_a_key_of_another_kind_is_named(redis_server: Any, store: RedisStore, kind: str) -> None:
    """A key under the prefix that somebody else has written is StoreCorrupt, before any change."""
    root = Ledger(Budget(tokens=100), id="root", store=store)
    hold = root.reserve(tokens(9))
    hold.dispatching()
    suffix = "" if kind in {"ids", "schema"} else f":{key_of(root)}"
    with redis_server.client() as client:
        client.delete(f"shoestring:{kind}{suffix}")
        client.set(f"shoestring:{kind}{suffix}", "another program's")
        before = {key: client.dump(key) for key in client.scan_iter() if b":last:" not in key}

        def use() -> None:
            again = RedisStore(redis_server.url).ledger("root")
            again.reserve(tokens(1)).settle(tokens(1))
            again.child(id="child")

        with pytest.raises(StoreCorrupt, match="choose another prefix"):
            use()
        if kind not in {"below", "schema"}:
            after = {key: client.dump(key) for key in client.scan_iter() if b":last:" not in key}
            assert after == before


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "[0]", "[1,2]"])
def test_an_entry_of_nonsense_is_named(redis_server: Any, store: RedisStore, text: str) -> None:
    """A request or note that makes no sense is StoreCorrupt, not a call that cost nothing."""
    root = Ledger(Budget(tokens=100), id="root", store=store)
    root.reserve(tokens(1)).settle(tokens(1))
    with redis_server.client() as client:
        client.hset(f"shoestring:entries:{key_of(root)}", "1", text)
    with pytest.raises(StoreCorrupt, match="choose another prefix"):
        _ = RedisStore(redis_server.url).ledger("root").receipt


def test_a_newer_layout_is_refused(redis_server: Any, store: RedisStore) -> None:
    """What a newer shoestring wrote is StoreTooNew, with the cure, and not touched."""
    store.close()
    with redis_server.client() as client:
        client.set("shoestring:schema", "2")
        with pytest.raises(StoreTooNew, match="upgrade shoestring"):
            RedisStore(redis_server.url)
        assert client.get("shoestring:schema") == b"2"


def test_prefixes_keep_apart(redis_server: Any) -> None:
    """Stores of two prefixes on one server know nothing of each other."""
    one, two = (RedisStore(redis_server.url, prefix=name) for name in ("one", "two"))
    Ledger(Budget(tokens=1), id="root", store=one)
    with pytest.raises(LedgerNotFound):
        two.ledger("root")
    Ledger(Budget(tokens=2), id="root", store=two)
    assert one.ledger("root").limit.tokens == 1


# How it is made


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://host", {}),
        ("host:6379", {}),
        ("redis://host", {"patience": -1}),
        ("redis://host", {"patience": float("nan")}),
        ("redis://host", {"prefix": ""}),
        ("redis://host:port", {}),
    ],
    ids=str,
)
def test_bad_options_are_refused(url: str, options: dict[str, Any]) -> None:
    """A URL of another scheme, an empty prefix or a negative patience is a ValueError."""
    with pytest.raises(ValueError):
        RedisStore(url, **options)


def test_without_redis_py_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is an extra: who lacks it is told the exact pip command."""
    for name in [name for name in sys.modules if name.split(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoestring\[redis\]'"):
        RedisStore("redis://localhost")


def test_a_store_shows_where_it_is(redis_server: Any) -> None:
    """The repr names the server and the prefix, and neither user nor password."""
    store = RedisStore(f"unix://default:pass@{redis_server.socket}?db=1", prefix="mine")
    assert repr(store) == f"<RedisStore 'mine' in {redis_server.url}>"


def test_errors_are_store_errors() -> None:
    """Whoever catches StoreError catches whatever a server does."""
    with pytest.raises(StoreError):
        RedisStore("redis://127.0.0.1:1", patience=0)

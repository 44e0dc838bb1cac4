"""The contract of the ledger, which SQLite and PostgreSQL both keep."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from raytide.services.ledger.account import Ask, Budget, Denial, Denied, Limits, Period
from raytide.services.ledger.database import LedgerUnavailable, connect, exists
from raytide.services.ledger.keyring import Keyring, KeyUnknown, NewKey
from raytide.services.ledger.secret import hash_of
from raytide.services.ledger.sheet import Admitted
from raytide.services.ledger.store import Ledger
from raytide.services.ledger.usage import Outcome, Settlement, UsageSum

Open = Callable[[str], Ledger]


class Clock:
    now_s = 1.7e9

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(url: str) -> Iterator[Keyring]:
    engine = connect(url)
    yield Keyring(engine)
    engine.dispose()


@pytest.fixture
def opened(url: str, clock: Clock) -> Iterator[Open]:
    """Ledgers of named gateways."""
    engines = [connect(url)]
    yield lambda gateway: Ledger(engines[0], gateway=gateway, now_s=clock)
    engines[0].dispose()


def ask(key: NewKey | None, request_id: str = "r", worst: int = 100) -> Ask:
    secret_hash = None if key is None else hash_of(key.secret)
    return Ask(request_id=request_id, service="chat", secret_hash=secret_hash, tokens=20, worst_nano_usd=worst)


def end(request_id: str = "r", cost: int = 60, outcome: Outcome = Outcome.FINISHED) -> Settlement:
    return Settlement(request_id=request_id, outcome=outcome, prompt_tokens=7, output_tokens=5, cost_nano_usd=cost)


def with_budget(keyring: Keyring, nano_usd: int) -> NewKey:
    return keyring.create("team", budget=Budget(nano_usd=nano_usd, period=Period.TOTAL))


def charged(keyring: Keyring) -> list[tuple[int, int]]:
    return [(each.account.spent_nano_usd, each.account.reserved_nano_usd) for each in keyring.list()]


def test_money_is_reserved_then_settled_and_the_rest_is_free_again(keyring: Keyring, opened: Open) -> None:
    key, ledger = with_budget(keyring, 250), opened("g")
    for number in range(2):
        (answer,) = ledger.enter([ask(key, f"r{number}")])
        assert isinstance(answer, Admitted)
        assert answer.account.key_id == key.key_id
    assert charged(keyring) == [(0, 200)]
    assert ledger.enter([ask(key, "r2")]) == [Denied(denial=Denial.BUDGET, retry_after_s=1.0, left_nano_usd=50)]
    assert ledger.enter([end("r0"), end("r1", 0, Outcome.FAILED)]) == [None, None]
    assert charged(keyring) == [(60, 0)]
    assert ledger.reservations() == []
    assert ledger.usage() == [UsageSum(key.key_id, "chat", 2, 14, 10, 60)]


def test_a_request_is_billed_once_however_often_its_end_is_said(keyring: Keyring, opened: Open) -> None:
    key, ledger = with_budget(keyring, 250), opened("g")
    ledger.enter([ask(key), end(), end()])
    ledger.enter([end()])
    opened("another").enter([end(cost=90)])
    assert charged(keyring) == [(60, 0)]
    assert ledger.usage()[0].num_requests == 1


def test_the_end_of_a_request_that_was_never_let_in_changes_nothing(keyring: Keyring, opened: Open) -> None:
    with_budget(keyring, 250)
    opened("g").enter([end("unknown")])
    assert (charged(keyring), opened("g").usage()) == ([(0, 0)], [])


def test_what_a_dead_gateway_held_is_freed_and_not_charged(keyring: Keyring, opened: Open, clock: Clock) -> None:
    key, dead, alive = with_budget(keyring, 250), opened("dead"), opened("alive")
    dead.keep_alive(60)
    dead.enter([ask(key, "r0"), ask(key, "r1")])
    assert alive.keep_alive(60) == 0
    clock.now_s += 61
    assert alive.keep_alive(60) == 2
    assert charged(keyring) == [(0, 0)]
    assert alive.usage() == [UsageSum(key.key_id, "chat", 2, 0, 0, 0)]


def test_a_gateway_taken_for_dead_may_still_say_what_was_used_within_the_budget(
    keyring: Keyring, opened: Open, clock: Clock
) -> None:
    key, paused, alive = with_budget(keyring, 250), opened("paused"), opened("alive")
    paused.keep_alive(60)
    paused.enter([ask(key, "late"), ask(key, "later")])
    clock.now_s += 61
    alive.keep_alive(60)
    alive.enter([ask(key, "now", 200)])
    paused.enter([end("late", 40), end("later", 40)])
    paused.enter([end("late", 40)])
    assert charged(keyring) == [(50, 200)]
    assert sum(each.num_requests for each in alive.usage()) == 2


def test_a_revoked_key_is_let_in_no_more(keyring: Keyring, opened: Open) -> None:
    key = keyring.create("team")
    assert keyring.revoke("team") == keyring.revoke(key.key_id) == key.key_id
    assert opened("g").enter([ask(key)]) == [Denied(denial=Denial.REVOKED_KEY)]
    with pytest.raises(KeyUnknown, match="no key is called 'team'"):
        keyring.revoke("team")


def test_a_name_that_several_keys_have_revokes_none_of_them(keyring: Keyring) -> None:
    keyring.create("team")
    keyring.create("team")
    with pytest.raises(KeyUnknown, match="several keys are called 'team'"):
        keyring.revoke("team")
    assert [each.revoked_s for each in keyring.list()] == [None, None]


def test_a_wrong_key_and_none_at_all_are_unknown_until_anonymous_requests_are_let_in(
    keyring: Keyring, opened: Open
) -> None:
    wrong = NewKey(key_id="x", secret="rt-guess")
    assert opened("g").enter([ask(wrong), ask(None)]) == [Denied(denial=Denial.UNKNOWN_KEY)] * 2
    keyring.admit_anonymous()
    keyring.admit_anonymous()
    denied, admitted = opened("g").enter([ask(wrong), ask(None)])
    assert isinstance(denied, Denied)
    assert isinstance(admitted, Admitted)


def test_the_secret_is_nowhere_in_what_is_kept(keyring: Keyring) -> None:
    key = keyring.create("team", limits=Limits(requests_per_minute=5, tokens_per_minute=70), traffic_class="batch")
    (listed,) = keyring.list()
    assert key.secret not in repr(listed)
    assert key.secret.startswith(listed.shown)
    assert len(listed.shown) == 11
    assert (listed.account.limits.tokens_per_minute, listed.account.traffic_class) == (70, "batch")


def _spend(url: str, gateway: str, secret: str) -> tuple[int, int]:
    """One gateway's life: 40 requests that may cost 100 and cost 70, of which two thirds end; (let in, charged)."""
    engine = connect(url)
    ledger, num, cost = Ledger(engine, gateway=gateway), 0, 0
    ledger.keep_alive(60)
    for number in range(40):
        asked = ask(NewKey(key_id="", secret=secret), f"{gateway}-{number}")
        if isinstance(ledger.enter([asked])[0], Denied):
            continue
        num += 1
        if number % 3:
            ledger.enter([end(asked.request_id, 70)])
            cost += 70
    engine.dispose()
    return num, cost


def test_gateways_in_threads_and_processes_never_spend_more_than_the_budget_together(
    url: str, keyring: Keyring, opened: Open
) -> None:
    key = with_budget(keyring, 5000)
    # The processes begin before the threads: a fork of a process with threads may inherit their locks.
    with multiprocessing.get_context("fork").Pool(2) as processes, ThreadPoolExecutor(3) as threads:
        by_process = processes.starmap_async(_spend, [(url, f"p{number}", key.secret) for number in range(2)])
        by_thread = [threads.submit(_spend, url, f"t{number}", key.secret) for number in range(3)]
        lives = [*by_process.get(timeout=120), *(each.result() for each in by_thread)]
    spent = sum(cost for _, cost in lives)
    held = opened("g").reservations()
    assert charged(keyring) == [(spent, 100 * len(held))]
    assert spent + 100 * len(held) <= 5000
    assert spent + 100 * len(held) > 5000 - 100  # it was the budget that ended it
    assert sum(num for num, _ in lives) == opened("g").usage()[0].num_requests + len(held)


def test_a_database_that_cannot_be_opened_is_said_with_what_to_write() -> None:
    with pytest.raises(LedgerUnavailable, match=r"the ledger cannot be opened \(.+\): give a URL such as sqlite:"):
        connect("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:1/x",
        "postgresql://me:hunter2@127.0.0.1:x/x",
        "postgresql://me:hunter2",
        "nosuch://me:hunter2@h/x",
        "me:hunter2@h",
    ],
)
def test_no_error_repeats_a_password(url: str) -> None:
    with pytest.raises(LedgerUnavailable) as said:
        connect(url)
    assert "hunter2" not in str(said.value)


def test_a_port_that_is_none_is_a_sentence_too() -> None:
    with pytest.raises(LedgerUnavailable, match="what stands behind its host is no port"):
        exists("postgresql://me:hunter2@127.0.0.1:x/x")

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from raytide.services.ledger.account import Account, Ask, Denial, Denied
from raytide.services.ledger.clerk import BATCH, Clerk, LedgerSilent
from raytide.services.ledger.sheet import Admitted
from raytide.services.ledger.store import Operation
from raytide.services.ledger.usage import Outcome, Settlement


class Recorded:
    """A ledger that keeps what it was told, in transactions; it waits, and fails, when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[Operation]] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.fails = False
        self.num_alive = 0

    def enter(self, operations: Sequence[Operation]) -> list[Admitted | Denied | None]:
        self.goes_on.wait(5)
        if self.fails:
            raise OSError("disk full")
        self.batches.append(list(operations))
        return [_answer(each) if isinstance(each, Ask) else None for each in operations]

    def keep_alive(self, for_s: float) -> int:
        self.num_alive += 1
        return 0


def _answer(asked: Ask) -> Admitted | Denied:
    if asked.service == "no":
        return Denied(denial=Denial.REQUESTS)
    return Admitted(account=Account(key_id=asked.request_id, name=""))


def ask(request_id: str, service: str = "chat") -> Ask:
    return Ask(request_id=request_id, service=service, secret_hash=None, tokens=0, worst_nano_usd=0)


ENDED = Settlement(request_id="a", outcome=Outcome.FINISHED)


def test_each_ask_gets_its_own_answer_and_those_that_wait_share_a_transaction() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)

    async def many() -> list[Admitted | Denied]:
        ledger.goes_on.clear()
        first = asyncio.create_task(clerk.admit(ask("0")))
        await asyncio.sleep(0.02)
        rest = [asyncio.create_task(clerk.admit(ask(str(n), "no" if n % 2 else "chat"))) for n in range(1, 20)]
        await asyncio.sleep(0.02)
        ledger.goes_on.set()
        return await asyncio.gather(first, *rest)

    answers = asyncio.run(many())
    clerk.close()
    assert [isinstance(answer, Denied) for answer in answers] == [bool(n % 2) for n in range(20)]
    assert [len(batch) for batch in ledger.batches] == [1, 19]


def test_a_ledger_that_fails_lets_nobody_in_and_frees_what_it_may_have_taken() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)
    ledger.fails = True
    with pytest.raises(LedgerSilent) as raised:
        asyncio.run(clerk.admit(ask("a")))
    assert isinstance(raised.value.__cause__, OSError)
    ledger.fails = False
    clerk.close()
    assert ledger.batches == [[Settlement(request_id="a", outcome=Outcome.FAILED)]]


def test_a_settlement_is_entered_once_the_ledger_takes_it_again() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)
    ledger.fails = True
    clerk.settle(ENDED)
    with pytest.raises(LedgerSilent):
        asyncio.run(clerk.admit(ask("b")))
    ledger.fails = False
    clerk.close()
    assert ENDED in ledger.batches[0]


def test_whoever_leaves_while_the_ledger_thinks_holds_nothing() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)

    async def leave() -> None:
        ledger.goes_on.clear()
        waiting = asyncio.create_task(clerk.admit(ask("a")))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        ledger.goes_on.set()

    asyncio.run(leave())
    clerk.close()
    cancelled = Settlement(request_id="a", outcome=Outcome.CANCELLED)
    assert [each for batch in ledger.batches for each in batch] == [ask("a"), cancelled]


def test_what_came_first_is_entered_first() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)

    async def one_after_the_other() -> None:
        ledger.goes_on.clear()
        clerk.settle(ENDED)
        waiting = asyncio.create_task(clerk.admit(ask("next")))
        await asyncio.sleep(0.02)
        ledger.goes_on.set()
        await waiting

    asyncio.run(one_after_the_other())
    clerk.close()
    assert [each for batch in ledger.batches for each in batch] == [ENDED, ask("next")]


def test_closing_enters_what_was_left_and_a_gateway_says_that_it_lives() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)
    clerk.settle(ENDED)
    clerk.close()
    assert ledger.batches == [[ENDED]]
    assert ledger.num_alive == 1


def test_closing_enters_all_that_the_ledger_has_not_taken_before_however_much_that_is() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)
    ledger.fails = True
    ended = [Settlement(request_id=str(number), outcome=Outcome.FINISHED) for number in range(3 * BATCH)]
    for each in ended:
        clerk.settle(each)
    with pytest.raises(LedgerSilent):
        asyncio.run(clerk.admit(ask("b")))
    ledger.fails = False
    clerk.close()
    entered = {each.request_id for batch in ledger.batches for each in batch if isinstance(each, Settlement)}
    assert entered >= {each.request_id for each in ended}
    assert max(len(batch) for batch in ledger.batches) <= 2 * BATCH


def test_closing_ends_where_the_ledger_takes_nothing_any_more() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)
    ledger.fails = True
    for number in range(2 * BATCH):
        clerk.settle(Settlement(request_id=str(number), outcome=Outcome.FINISHED))
    began_s = time.monotonic()
    clerk.close()
    assert time.monotonic() - began_s < 5
    assert ledger.batches == []


def test_the_end_of_a_request_and_what_its_client_asks_next_share_a_transaction() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)

    async def go_on() -> None:
        clerk.settle(ENDED)
        await clerk.admit(ask("b"))

    asyncio.run(go_on())
    clerk.close()
    assert ledger.batches == [[ENDED, ask("b")]]


def test_the_end_of_a_request_waits_for_no_other_for_long() -> None:
    ledger = Recorded()
    clerk = Clerk(ledger)
    clerk.settle(ENDED)
    deadline_s = time.monotonic() + 5
    while not ledger.batches and time.monotonic() < deadline_s:
        time.sleep(0.005)
    assert ledger.batches == [[ENDED]]
    clerk.close()

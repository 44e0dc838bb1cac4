"""The gateway's side of the ledger: what a request reserves, and what a key is told that may not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from raytide.services.gateway.asked import Asked
from raytide.services.gateway.billing import End, settlement
from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.metrics import Metrics
from raytide.services.gateway.refusal import QUOTA, RATE_LIMIT, Refusal, Refused, unauthenticated, unavailable
from raytide.services.ledger.account import Ask, Denial, Denied
from raytide.services.ledger.clerk import LedgerSilent
from raytide.services.ledger.money import FREE, NANO_PER_USD, Prices, format_usd
from raytide.services.ledger.secret import hash_of
from raytide.services.ledger.sheet import Admitted
from raytide.services.ledger.tables import ANONYMOUS
from raytide.services.ledger.usage import Settlement

_RETRY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a request is from, as far as the service asks."""

    key_id: str = ANONYMOUS
    traffic_class: str | None = None
    prices: Prices | None = None
    """As they were when it was let in, for they may change before its end; None where no account is kept of it."""


class Entering(Protocol):
    """What the keeper needs of a clerk."""

    async def admit(self, ask: Ask) -> Admitted | Denied:
        """The ledger's answer; raises `LedgerSilent` where it has none."""

    def settle(self, ended: Settlement) -> None:
        """Take down the end of a request."""


class Keeper:
    """Accounts are kept of the requests to those services that ask for keys; the others need no ledger."""

    def __init__(self, clerk: Entering, metrics: Metrics) -> None:
        self._clerk, self._metrics = clerk, metrics

    async def admit(self, request_id: str, fleet: Fleet, asked: Asked, secret: str | None) -> Caller:
        """Who asks, once the ledger has let the request in.

        Raises:
            Refused: the ledger did not.
        """
        if not fleet.access.asks_for_keys:
            return Caller()
        if secret is None and not fleet.access.lets_anonymous_in:
            raise Refused(unauthenticated("this service needs an API key, as `Authorization: Bearer rt-…`"))
        ask, began_s = _ask(request_id, fleet, asked, secret), time.perf_counter()
        try:
            answer = await self._clerk.admit(ask)
        except LedgerSilent as error:
            raise Refused(unavailable(str(error), "ledger_silent", _RETRY_S)) from error
        self._metrics.ledger.observe(time.perf_counter() - began_s)
        if isinstance(answer, Denied):
            raise Refused(denial(answer, ask.worst_nano_usd))
        account = answer.account
        return Caller(key_id=account.key_id, traffic_class=account.traffic_class, prices=fleet.access.prices)

    def settle(self, request_id: str, service: str, asked: Asked, caller: Caller, end: End) -> None:
        """Bill a request that was let in; returns at once."""
        ended = settlement(request_id, asked, end, caller.prices or FREE)
        counted = self._metrics.of(service)
        counted.ended[end.outcome].inc()
        counted.prompt_tokens.inc(ended.prompt_tokens)
        counted.output_tokens.inc(ended.output_tokens)
        if caller.prices is not None:
            counted.charged_usd.inc(ended.cost_nano_usd / NANO_PER_USD)
            self._clerk.settle(ended)


def denial(denied: Denied, worst_nano_usd: int) -> Refusal:
    """What the client is told."""
    if denied.denial is Denial.UNKNOWN_KEY:
        return unauthenticated("this API key does not exist")
    if denied.denial is Denial.REVOKED_KEY:
        return unauthenticated("this API key was revoked", code="revoked_api_key")
    if denied.denial is Denial.BUDGET:
        worst, left = format_usd(worst_nano_usd), format_usd(denied.left_nano_usd or 0)
        return Refusal(
            status=429,
            kind=QUOTA,
            code="insufficient_quota",
            message=f"the request may cost up to {worst}, and {left} of the key's budget is left: lower max_tokens",
            retry_after_s=denied.retry_after_s,
        )
    return Refusal(
        status=429,
        kind=RATE_LIMIT,
        code="rate_limit_exceeded",
        message=f"the key's limit of {denied.denial.replace('_', ' ')} is reached",
        retry_after_s=denied.retry_after_s,
    )


def _ask(request_id: str, fleet: Fleet, asked: Asked, secret: str | None) -> Ask:
    context_tokens, access = fleet.context_tokens, fleet.access
    prompt_tokens, output_tokens = asked.most_prompt_tokens(context_tokens), asked.most_output_tokens(context_tokens)
    usual = asked.estimated_output_tokens(fleet.usual_output_tokens)
    return Ask(
        request_id=request_id,
        service=fleet.routes.service,
        secret_hash=None if secret is None else hash_of(secret),
        tokens=fleet.prompt_tokens(asked) + usual,
        worst_nano_usd=access.prices.cost(prompt_tokens, output_tokens),
        defaults=access.defaults,
    )

"""A service's rules of access, from the plain data that its brain hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raytide.services.feedback.answer import Keeping
from raytide.services.ledger.account import UNLIMITED, Limits
from raytide.services.ledger.money import FREE, Prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may call, and how much; `spec.access` of a service."""

    asks_for_keys: bool = False
    lets_anonymous_in: bool = True
    defaults: Limits = UNLIMITED
    prices: Prices = FREE
    max_wait_s: float = 30.0
    priorities: Mapping[str, int] = field(default_factory=dict)
    """Of the traffic classes that the service declares."""
    feedback: Keeping | None = None
    """How answers are kept to be judged; none is where it is not set."""


def access_of(plain: Mapping[str, Any] | None) -> Access:
    """The rules in a dump of `raytide.core.spec.access.Access`; an open service where there is none."""
    if plain is None:
        return Access()
    prices, feedback = plain.get("prices"), plain.get("feedback")
    return Access(
        asks_for_keys=plain["api_keys"] != "off",
        lets_anonymous_in=plain["api_keys"] != "required",
        defaults=Limits(requests_per_minute=plain["requests_per_minute"], tokens_per_minute=plain["tokens_per_minute"]),
        prices=Prices.per_million(prices["input"], prices["output"]) if prices else FREE,
        max_wait_s=plain["max_wait"],
        priorities=plain.get("priorities", {}),
        feedback=_keeping(feedback) if feedback else None,
    )


def _keeping(feedback: Mapping[str, Any]) -> Keeping:
    return Keeping(
        judge_within_s=feedback["judge_within"],
        keep_s=feedback["keep"],
        most_bytes=feedback["max_exchange"],
        share=feedback["share"],
    )

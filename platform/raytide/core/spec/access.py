"""`spec.access`: who may call a service, how much, and what it costs them; `spec.feedback`: what they think of it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from raytide.core.spec.base import AboveZero, Strict
from raytide.core.units import Bytes, Count, Fraction, Seconds, UsdPerMillionTokens

PerMinute = Annotated[Count, AboveZero]


class TokenPrices(Strict):
    """What requests are billed at, and what budgets of keys are spent on."""

    input: UsdPerMillionTokens
    """Of prompt tokens, cached or not."""
    output: UsdPerMillionTokens


class Access(Strict):
    """Who may call, and how much."""

    api_keys: Literal["required", "optional", "off"] = "off"
    """`optional` lets requests without a key in, under the limits of one key together; `off` asks nobody and keeps no
    account. `raytide keys create` makes a key."""
    requests_per_minute: PerMinute | None = None
    """Of each key that has no limit of its own; a minute's worth may come at once. Unlimited where unset."""
    tokens_per_minute: PerMinute | None = None
    """Prompt and output tokens of each key that has no limit of its own; unlimited where unset."""
    prices: TokenPrices | None = None
    """Requests cost nothing where unset."""
    max_wait: Annotated[Seconds, AboveZero] = 30.0
    """Where the first token is predicted to come later than this, requests are turned away with 429."""

    @model_validator(mode="after")
    def _limits_are_of_keys(self) -> Self:
        of_keys = (self.requests_per_minute, self.tokens_per_minute, self.prices)
        if self.api_keys == "off" and any(given is not None for given in of_keys):
            raise ValueError("api_keys required or optional, beside limits or prices")
        return self


class Feedback(Strict):
    """Requests and answers of one text each are kept in the ledger's database, so that clients can judge them with
    `POST /v1/feedback`, and `raytide feedback export` can make preferences of it to train on.
    """

    judge_within: Annotated[Seconds, AboveZero] = 86_400.0
    """An answer that nobody has judged by then is forgotten."""
    keep: Annotated[Seconds, AboveZero] = 90 * 86_400.0
    """An answer that was judged is forgotten this long after it was."""
    share: Annotated[Fraction, AboveZero] = 1.0
    """Of the answers, drawn by chance, that are kept: a busy service need not fill a database with all of them."""
    max_exchange: Annotated[Bytes, AboveZero] = 256 * 2**10
    """Of a request and its answer together; longer ones are not kept."""

"""What a request is billed, from how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.services.gateway.asked import CHAT, Asked
from raytide.services.gateway.stream import Usage
from raytide.services.ledger.money import Prices
from raytide.services.ledger.usage import Outcome, Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a request ended, as the gateway saw it."""

    outcome: Outcome
    usage: Usage | None = None
    """As the engine counted it, where it came to say so."""
    num_events: int = 0
    """Parts of a stream that had gone to the client."""


def settlement(request_id: str, asked: Asked, end: End, prices: Prices) -> Settlement:
    """What is entered into the ledger.

    A request that failed costs nothing, nor does one that was cancelled before its first token. Of a stream that was
    cancelled later, the engine tells no usage: the tokens that had gone out are billed, one for each event, and the
    prompt by its usual number of bytes per token.
    """
    usage = _billed(asked, end)
    return Settlement(
        request_id=request_id,
        outcome=end.outcome,
        prompt_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
        cost_nano_usd=prices.cost(usage.prompt_tokens, usage.output_tokens),
    )


def _billed(asked: Asked, end: End) -> Usage:
    nothing = Usage(prompt_tokens=0, output_tokens=0)
    if end.outcome is Outcome.FAILED:
        return nothing
    if end.usage is not None:
        return end.usage
    # The first event of a chat names the role and holds no token.
    output_tokens = end.num_events - (asked.num_sequences if asked.path == CHAT else 0)
    if output_tokens <= 0:
        return nothing
    return Usage(prompt_tokens=asked.estimated_prompt_tokens, output_tokens=output_tokens)

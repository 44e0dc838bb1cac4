"""Money as whole billionths of a dollar: a token of a small model costs tens of them, and 64 bits hold nine billion
dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

NANO_PER_USD: Final = 10**9
_TOKENS_PER_PRICE: Final = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What tokens cost, in billionths of a dollar each; nothing where a service declares no prices."""

    input_nano_usd: int = 0
    output_nano_usd: int = 0

    @classmethod
    def per_million(cls, input_usd: float, output_usd: float) -> Prices:
        """From dollars per million tokens, to the tenth of a cent."""
        per_token = NANO_PER_USD // _TOKENS_PER_PRICE
        return cls(input_nano_usd=round(input_usd * per_token), output_nano_usd=round(output_usd * per_token))

    def cost(self, prompt_tokens: int, output_tokens: int) -> int:
        """Of a request, in billionths of a dollar."""
        return prompt_tokens * self.input_nano_usd + output_tokens * self.output_nano_usd


FREE: Final = Prices()


def nano_usd(usd: Decimal) -> int:
    """Billionths of a dollar, rounded half up."""
    return int((usd * NANO_PER_USD).to_integral_value(ROUND_HALF_UP))


def format_usd(nano: int) -> str:
    """`$12.50`, and as many digits as a smaller amount needs: `$0.000013`."""
    exact = Decimal(nano) / NANO_PER_USD
    text = f"{exact.normalize():f}"
    return f"${exact:.2f}" if exact == round(exact, 2) else f"${text}"

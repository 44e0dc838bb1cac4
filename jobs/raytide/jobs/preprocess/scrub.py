"""Personal data in text, replaced by what it was: `<email>`, `<ip>`, `<card>`, `<iban>`, `<phone>`.

Patterns find what has a form of its own, and checksums keep numbers that only look like it. Names and addresses have
none: they are not found.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from raytide.core.spec.preprocess import Pii


def scrubbed(text: str, kinds: Sequence[Pii]) -> tuple[str, Counter[str]]:
    """The text without such data, and how many pieces of each kind were replaced."""
    counts: Counter[str] = Counter()
    for kind in _ORDER:
        if kind in kinds:
            text = _replaced(text, kind, counts)
    return text, counts


def is_public_ip(found: str) -> bool:
    """Whether it is an address on the internet: documentation and private networks name nobody."""
    try:
        return ipaddress.ip_address(found).is_global
    except ValueError:
        return False


def is_card(found: str) -> bool:
    """Whether the digits pass the Luhn checksum (ISO/IEC 7812-1)."""
    digits = [int(char) for char in found if char.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def is_iban(found: str) -> bool:
    """Whether the check digits are right (ISO 13616: 1 modulo 97)."""
    compact = found.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def _replaced(text: str, kind: Pii, counts: Counter[str]) -> str:
    pattern, needs, check = _PATTERNS[kind]
    if needs not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        if not check(match[0]):
            return match[0]
        counts[kind] += 1
        return f"<{kind}>"

    return pattern.sub(replacement, text)


def _any(found: str) -> bool:
    return True


# The longer forms first: a card holds what looks like a phone number.
_ORDER: Final[tuple[Pii, ...]] = ("email", "iban", "card", "ip", "phone")

_PATTERNS: Final[dict[Pii, tuple[re.Pattern[str], str, Callable[[str], bool]]]] = {
    "email": (re.compile(r"\b[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"), "@", _any),
    "iban": (re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), "", is_iban),
    "card": (re.compile(r"(?<![\w.-])(?:[0-9][ -]?){12,18}[0-9](?![\w-])"), "", is_card),
    "ip": (re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.]*[0-9])"), ".", is_public_ip),
    # Only what is written as international: any other rule takes part numbers, dates and versions along.
    "phone": (re.compile(r"(?<![\w+])\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{2,4}\)?){2,5}(?![\w-])"), "+", _any),
}
"""A pattern, what must occur for it to be tried at all, and what decides."""

"""The main text of a web page: what a person reads there, without navigation, scripts and forms."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

_MOST_NESTED: Final = 1000
"""Browsers stop at 512. The extractor takes 3 s for 5,000 levels, and 50 s for 20,000 (resiliparse 2.0.1, measured)."""
_NESTS: Final = re.compile(r"<(/?)(?:div|article)\b", re.IGNORECASE)


class TooDeep(ValueError):
    """A page of more levels than a person writes; the message says how many."""


def main_text(content: bytes, declared: str | None = None) -> str:
    """The text of a page in the encoding that its server declared, else the one that its bytes show.

    Raises:
        UnicodeDecodeError: The bytes are not in the encoding that they seem to be in.
        TooDeep: The page would keep the extractor busy for minutes.
    """
    from resiliparse.extract.html2text import extract_plain_text

    html = _decoded(content, declared)
    if (levels := _levels(html)) > _MOST_NESTED:
        raise TooDeep(f"{levels} levels of elements")
    text: str = extract_plain_text(html, main_content=True, alt_texts=False, comments=False, preserve_formatting=True)
    return text


def _levels(html: str) -> int:
    """How deep the elements lie in each other whose depth costs time."""
    return max(accumulate(-1 if tag[1] else 1 for tag in _NESTS.finditer(html)), default=0)


def _decoded(content: bytes, declared: str | None) -> str:
    from resiliparse.parse.encoding import detect_encoding

    try:
        return content.decode("utf-8")  # nothing else looks like UTF-8 by chance
    except UnicodeDecodeError:
        encoding = declared or detect_encoding(content, from_html_meta=True)
        try:
            return content.decode(encoding or "utf-8")
        except UnicodeDecodeError:
            raise
        except (LookupError, ValueError):  # UnicodeError where the codec is `undefined`
            raise UnicodeDecodeError(str(encoding), content[:32], 0, 1, "no such encoding") from None

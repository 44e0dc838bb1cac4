"""The rules of C4 (Raffel et al. 2020, JMLR 21/140, 2.2): which lines of a web page stay, and which pages.

Two of the paper's steps are not here: its list of words, which removes whole dialects (Dodge et al. 2021), and its
deduplication of spans of three sentences. Sentences are counted by their ends, not by a model.
"""

from __future__ import annotations

import re
from typing import Final

from raytide.jobs.preprocess.quality.rule import Rule, Text

_ENDS: Final = (".", "!", "?", '"', "'")
_NOTICES: Final = (
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
_CITATION: Final = re.compile(r"\[(?:\d*|edit|citation needed)\]")
_SENTENCE_END: Final = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")
_MIN_LINE_WORDS: Final = 3
_MAX_WORD_CHARS: Final = 1000


def kept_lines(text: str) -> str:
    """The text without citation marks and without lines that are no sentence or a notice of the page itself."""
    lines = (_CITATION.sub("", line).strip() for line in text.split("\n"))
    kept = "\n".join(line for line in lines if _is_prose(line))
    return f"{kept}\n" if kept else ""


def sentences(text: Text) -> float:
    """The number of sentences."""
    return sum(max(1, len(_SENTENCE_END.findall(line))) for line in text.lines)


def _is_prose(line: str) -> bool:
    if not line.endswith(_ENDS) or line.endswith("..."):
        return False
    words, lower = line.split(), line.lower()
    if len(words) < _MIN_LINE_WORDS or max(map(len, words)) > _MAX_WORD_CHARS:
        return False
    return not any(notice in lower for notice in _NOTICES)


BEFORE: Final = (
    Rule("curly_bracket", lambda text: text.text.count("{"), at_most=0),
    Rule("lorem_ipsum", lambda text: text.text.lower().count("lorem ipsum"), at_most=0),
)
"""Of the page as it was."""

AFTER: Final = (Rule("too_few_sentences", sentences, at_least=5),)
"""Of the lines that stayed."""

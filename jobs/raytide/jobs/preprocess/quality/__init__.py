"""Whether a document is worth learning from: sets of rules, each a function with a limit, a name and a source."""

from __future__ import annotations

from collections.abc import Sequence

from raytide.core.spec.preprocess import RuleSet
from raytide.jobs.preprocess.clean import Dropped
from raytide.jobs.preprocess.quality import c4, gopher
from raytide.jobs.preprocess.quality.rule import Rule, Text

__all__ = ["judged"]


def judged(text: str, rules: Sequence[RuleSet]) -> str:
    """The text as the rules leave it: those of C4 drop lines.

    Raises:
        Dropped: A rule is broken; the reason is the set and the rule, as `gopher-quality:few_stop_words`.
    """
    for rule_set in rules:
        if rule_set == "c4":
            text = _c4(text)
        else:
            _check(Text(text), rule_set, gopher.QUALITY if rule_set == "gopher-quality" else gopher.REPETITION)
    return text


def _c4(text: str) -> str:
    _check(Text(text), "c4", c4.BEFORE)
    kept = c4.kept_lines(text)
    _check(Text(kept), "c4", c4.AFTER)
    return kept


def _check(text: Text, rule_set: RuleSet, rules: Sequence[Rule]) -> None:
    for rule in rules:
        if (found := rule.broken_by(text)) is not None:
            raise Dropped("quality", f"{rule_set}:{rule.name}", found)

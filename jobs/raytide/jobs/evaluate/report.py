"""What an evaluation found, as the JSON that the job writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raytide.jobs.code_version import code_version
from raytide.jobs.evaluate.gate import Scores, Verdict
from raytide.jobs.evaluate.interval import Interval, bits_per_byte_interval, wilson
from raytide.jobs.evaluate.pairwise import Judged
from raytide.jobs.evaluate.score import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the report is of."""

    model: Path
    data_hash: str
    lineage: Mapping[str, Any]
    scores: Mapping[str, Scores]
    """`trained`, what it was before (`untrained` or `start`), and `production` where there is one."""
    verdict: Verdict
    production_version: int | None
    seed: int
    judged: Judged | None = None


def report_of(evaluation: Evaluation) -> dict[str, Any]:
    """The report; its scores carry 95 % intervals."""
    found, verdict = evaluation, evaluation.verdict
    return {
        "model": str(found.model),
        "passed": verdict.passed,
        "reasons": verdict.reasons,
        "scores": {name: _score_entry(scores.text, found.seed) for name, scores in found.scores.items()},
        "domains": {name: _domains(scores.text, found.seed) for name, scores in found.scores.items()},
        "tasks": {name: _tasks(scores.right) for name, scores in found.scores.items() if scores.right},
        "pairwise": _pairwise(found.judged),
        "production_version": found.production_version,
        "registered": None,
        "data_hash": found.data_hash,
        # Where the data differ, what is held out here may have been trained on there.
        "trained_on_this_data": found.lineage["data_hash"] == found.data_hash,
        "lineage": found.lineage,
        "code_version": code_version(),
    }


def _score_entry(scored: Score, seed: int) -> dict[str, Any]:
    return {
        "perplexity": round(scored.perplexity, 4),
        "bits_per_byte": round(scored.bits_per_byte, 5),
        "bits_per_byte_interval": _rounded(bits_per_byte_interval(scored, seed)),
        "documents": len(scored.documents),
        "tokens": scored.tokens,
        "bytes": scored.bytes,
    }


def _domains(scored: Score, seed: int) -> dict[str, Any]:
    return {name: _score_entry(part, seed) for name, part in scored.by_domain().items()}


def _tasks(right: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    return {
        name: {
            "accuracy": round(sum(answers) / len(answers), 4),
            "interval": _rounded(wilson(sum(answers), len(answers))),
            "questions": len(answers),
        }
        for name, answers in right.items()
    }


def _pairwise(judged: Judged | None) -> dict[str, Any] | None:
    if judged is None:
        return None
    won, lost = sum(judged.won), sum(judged.lost)
    return {
        "judge": judged.by,
        "beside": judged.beside,
        "prompts": len(judged.won),
        "won": won,
        "lost": lost,
        "tied": judged.tied,
        "unclear": judged.unclear,
        "won_of_decided": _rounded(wilson(won, won + lost)),
    }


def _rounded(interval: Interval) -> dict[str, float]:
    return {name: round(value, 5) for name, value in asdict(interval).items()}

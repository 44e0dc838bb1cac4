"""Whether a request is let in, by when it would be answered: better a no at once than an answer nobody waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raytide.services.gateway.predict import Prediction
from raytide.services.gateway.refusal import RATE_LIMIT, Refusal

OVERLOADED: Final = "overloaded"
"""It may pass: with more replicas, or once these have done more of what they have."""
SHED: Final = "class_shed"
_RETRY_S: Final = 5.0
"""The shares are decided anew every few seconds."""


def class_of(said: str | None, priorities: Mapping[str, int]) -> str | None:
    """The declared class that a request counts as: the lowest where its key names none; None where none is declared."""
    if said in priorities:
        return said
    return min(priorities, key=lambda name: (priorities[name], name), default=None)


def patience_s(max_wait_s: float, priority_class: str | None, priorities: Mapping[str, int]) -> float:
    """How long a request of this class may be predicted to wait.

    Of k different priorities the highest may wait for all of `max_wait_s` and each lower one for a k-th less, so that
    under rising load the lowest is turned away first. A class that is not declared counts as the lowest.
    """
    levels = sorted(set(priorities.values()))
    if not levels:
        return max_wait_s
    rank = levels.index(priorities.get(priority_class or "", levels[0])) + 1
    return max_wait_s * (rank / len(levels))


def turned_away(prediction: Prediction, patience: float, deadline_s: float | None) -> Refusal | None:
    """Why the request is not let in; None where it is. The deadline is for its last token, the patience its first."""
    if deadline_s is not None and prediction.last_token_s > deadline_s:
        return _busy(
            f"the answer would be complete in {prediction.last_token_s:.1f} s, its deadline is in {deadline_s:.1f} s",
            "deadline_unreachable",
            prediction.last_token_s - deadline_s,
        )
    if prediction.first_token_s > patience:
        return _busy(
            f"the first token would come in {prediction.first_token_s:.1f} s, and at most {patience:.1f} s are allowed",
            OVERLOADED,
            prediction.first_token_s - patience,
        )
    return None


def never_in_time(patience: float) -> Refusal:
    """What a request hears that no replica would begin in time, whatever else it has to do: waiting is in vain."""
    return Refusal(
        status=429,
        kind=RATE_LIMIT,
        code="max_wait_unreachable",
        message=f"its prompt is too long: even at an idle replica the first token would come in more than the "
        f"{patience:.1f} s that are allowed",
    )


def line_is_full(num: int, patience: float) -> Refusal:
    """What a newcomer hears while those who have waited for a replica have to wait on."""
    return _busy(
        f"{num} wait already, and the first of them would have its first token in more than the {patience:.1f} s that "
        "are allowed",
        OVERLOADED,
        _RETRY_S,
    )


def class_shed(name: str, share: float) -> Refusal:
    """What those hear of a class that are not let in."""
    return _busy(f"there is too little for all: {share:.0%} of the class {name!r} is let in at present", SHED, _RETRY_S)


def _busy(message: str, code: str, retry_after_s: float) -> Refusal:
    return Refusal(status=429, kind=RATE_LIMIT, code=code, message=message, retry_after_s=retry_after_s)

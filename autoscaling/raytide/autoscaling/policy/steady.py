"""Fast up, careful down: a replica is let go only after it was not worth having for a whole hold.

An order counts as wanted at its moment, so nothing that was ordered is let go within the hold: the fleet cannot turn
round on itself. Going up again is never delayed.
"""

from __future__ import annotations

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.policy.knowledge import Wish
from raytide.autoscaling.policy.size import Size


def steady(
    sized: Size, running: int, wishes: tuple[Wish, ...], *, hold_s: float, now_s: float
) -> tuple[int, tuple[Reason, ...], tuple[Wish, ...]]:
    """The count to aim at beside `running` now, the reasons, and the wishes to remember."""
    recent = tuple(wish for wish in wishes if now_s - wish.at_s < hold_s)
    older = wishes[: len(wishes) - len(recent)][-1:]  # proof that a whole hold was watched
    remembered = (*older, *recent, Wish(at_s=now_s, replicas=max(sized.wanted, sized.kept)))
    if sized.wanted >= running:
        return sized.wanted, sized.reasons, remembered
    worth_it = max(wish.replicas for wish in remembered[len(older) :])
    target = max(sized.wanted, min(running, worth_it) if older else running)
    if target == sized.wanted:
        return target, sized.reasons, remembered
    says = f"{sized.wanted} would do; {target} were worth having within the last {hold_s:.0f} s"
    reason = Reason(rule=Rule.STABILISED, says=says, facts={"need": target})
    return target, (*sized.reasons, reason), remembered

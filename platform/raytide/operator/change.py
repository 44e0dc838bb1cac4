"""Changes of a service that are on record: what `apply`, `rollback` and `delete` do to a cluster.

    begin a record → put the application → wait until it runs → end the record

A command may be killed between any two of these. The next one finds the record that did not end, compares what is
declared with what the cluster was told, and does what is left: nothing is put twice, and nothing is forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from raytide.core.errors import ClusterUnreachable, RaytideError, RunFailed
from raytide.operator import apply as operator
from raytide.operator.adapters.history_file import HistoryFile
from raytide.operator.history import Outcome, Record, to_roll_back_to
from raytide.operator.plan.diff import Plan, Verb
from raytide.operator.plan.stage import step_to
from raytide.operator.site import Site
from raytide.services.rollout.revisions import is_canary, revision_of

Command = Literal["apply", "rollback", "delete"]


def carry_out(
    step: Plan, site: Site, *, watch: Callable[[str], None], timeout_s: float, command: Command = "apply"
) -> None:
    """Carry a plan out, on record, and return once the service runs as planned.

    Raises:
        RunFailed: the service did not come up.
        RaytideError: another command changes it at present, or the cluster does not take it.
    """
    history = HistoryFile(site.home, step.service)
    with history.held():
        if step.verb is Verb.NOTHING:
            operator.apply(step, site, watch=watch, timeout_s=timeout_s)  # the gateway may be missing
            _finish(step, history, site, watch, timeout_s)
            return
        number = _begun(step.service, step.desired, step.verb, command, history)
        _on_record(number, history, step, lambda: operator.apply(step, site, watch=watch, timeout_s=timeout_s))


def rollback(name: str, revision: str | None, site: Site) -> tuple[Plan, Record]:
    """The step back to a revision that ran before, and the record that it is taken from.

    Raises:
        NoSuchRevision: there is none.
    """
    found, records = operator.revisions(name, site), HistoryFile(site.home, name).records()
    running = revision_of(found.stable) if found.stable and not found.is_down else None
    if revision is None and found.canary and running:
        revision = running  # a canary under way is what there is to go back from
    record = to_roll_back_to(records, revision, running)
    return step_to(record.application, None, found, time.time()), record


def delete(name: str, site: Site, *, timeout_s: float) -> bool:
    """Remove a service, on record, and return once it is gone; False where there was none.

    One that an earlier command began to remove, and that is gone by now, was there.
    """
    history = HistoryFile(site.home, name)
    found, number = operator.applications(name, site), _begun_deletion(history)
    if not found and number is None:
        return False
    with history.held():
        if number is None:
            number = _begun(name, {}, "delete", "delete", history, running=found[0])
        operator.delete(name, site, timeout_s=timeout_s)
        history.end(number, Outcome.DELETED)
    return True


def _begun_deletion(history: HistoryFile) -> int | None:
    """The number of the deletion that was not seen through; None where the last change was another."""
    last = next(reversed(history.records()), None)
    is_open = last is not None and last.outcome is Outcome.INTERRUPTED and last.command == "delete"
    return last.number if last is not None and is_open else None


def _finish(step: Plan, history: HistoryFile, site: Site, watch: Callable[[str], None], timeout_s: float) -> None:
    """Waits for what an earlier command put and did not see through."""
    records = history.records()
    unended = records[-1] if records and records[-1].outcome is Outcome.INTERRUPTED else None
    if unended is not None and unended.application == step.desired:
        _on_record(
            unended.number,
            history,
            step,
            lambda: operator.see_through(step.application, site, watch, timeout_s=timeout_s),
        )
    else:
        operator.see_through(step.application, site, watch, timeout_s=timeout_s)


def _begun(
    name: str,
    application: Mapping[str, Any],
    verb: str,
    command: Command,
    history: HistoryFile,
    *,
    running: Mapping[str, Any] | None = None,
) -> int:
    records = history.records()
    number = records[-1].number + 1 if records else 1
    args = (running or application).get("args", {})
    history.begin(
        Record(
            number=number,
            at_s=time.time(),
            revision=args.get("revision", "unknown"),
            model=args.get("model_version", "unknown"),
            verb=str(verb),
            command=command,
            application=application,
        )
    )
    return number


def _on_record(number: int, history: HistoryFile, step: Plan, act: Callable[[], None]) -> None:
    try:
        act()
    except RunFailed as error:
        history.end(number, Outcome.FAILED, str(error))
        raise
    except ClusterUnreachable:  # whether the cluster was told is not known: the record stays open
        raise
    except RaytideError as error:
        history.end(number, Outcome.REFUSED, str(error))
        raise
    history.end(number, Outcome.CANARY if is_canary(step.desired) else Outcome.APPLIED)

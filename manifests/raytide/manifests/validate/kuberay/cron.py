"""A RayCronJob, and the clock that it goes by: five fields of cron, or a word such as @daily."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from raytide.manifests.validate.kuberay.access import gated
from raytide.manifests.validate.kuberay.cluster import name_of_at_most
from raytide.manifests.validate.kuberay.job import job_spec
from raytide.manifests.validate.problem import Object, Problem, map_at, number

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("days of the month", 1, 31, ()),
    ("months", 1, 12, _MONTHS),
    ("days of the week", 0, 6, _DAYS),
)
_WORDS: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_EVERY: Final = re.compile(r"@every ([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+")


def ray_cron_job(document: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What the operator refuses of a RayCronJob."""
    yield from gated(("kind",), "RayCronJob", gates)
    yield from name_of_at_most(36, document)
    spec = map_at(document, "spec")
    if isinstance(schedule := spec.get("schedule"), str):
        yield from _schedule(schedule)
    if (zone := spec.get("timeZone")) is not None and not _is_zone(str(zone)):
        path = ("spec", "timeZone")
        yield Problem(
            path=path, problem="no known time zone", got=repr(zone), expected="such as Europe/Berlin or Etc/UTC"
        )
    for problem in job_spec(map_at(spec, "jobTemplate"), {}, gates):
        yield problem.below(("spec", "jobTemplate"))


def _schedule(schedule: str) -> Iterator[Problem]:
    path = ("spec", "schedule")
    if "TZ" in schedule:
        yield Problem(path=path, problem="a time zone stands in the schedule", expected="timeZone beside it")
    elif said := _wrong(schedule):
        yield Problem(path=path, problem=said, got=repr(schedule), expected="five fields such as 0 3 * * *, or @daily")


def _wrong(schedule: str) -> str | None:
    """What is wrong with a schedule; None where nothing is."""
    if schedule.startswith("@"):
        return None if schedule in _WORDS or _EVERY.fullmatch(schedule) else "no schedule"
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        return f"a schedule of {len(fields)} fields"
    for text, (title, least, most, names) in zip(fields, _FIELDS, strict=True):
        if not all(_is_range(part, least, most, names) for part in text.split(",")):
            return f"no {title} from {least} to {most}: {text}"
    return None


def _is_range(text: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    span, _, step = text.partition("/")
    if "/" in text and not number(step):
        return False
    if span in ("*", "?"):
        return True
    ends = [_number(end, least, names) for end in span.split("-")]
    if len(ends) > 2 or any(end is None or not least <= end <= most for end in ends):
        return False
    return ends == sorted(end for end in ends if end is not None)


def _number(text: str, least: int, names: tuple[str, ...]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + least
    return number(text)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True

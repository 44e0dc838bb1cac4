"""Whether what runs is still what was applied from here: somebody may have deployed otherwise, or something else."""

from __future__ import annotations

from raytide.autoscaling.missing import Missing
from raytide.operator.adapters.history_file import HistoryFile
from raytide.operator.history import latest
from raytide.operator.plan.diff import Change, differences
from raytide.operator.site import Site

NOT_FROM_HERE = Missing(reason="it was not applied from this storage folder")


def drift_of(name: str, site: Site) -> tuple[Change, ...] | Missing:
    """Every value that was applied and is otherwise now; missing where nothing was applied from here.

    A change reads `path: as it runs → as it was applied`.
    """
    applied = latest(HistoryFile(site.home, name).records())
    live = site.dashboard.declared_application(name)
    if applied is None or live is None:
        return NOT_FROM_HERE
    return tuple(differences(applied.application, live))

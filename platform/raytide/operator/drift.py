"""Whether what runs is still what was applied from here: somebody may have deployed otherwise, or something else."""

from __future__ import annotations

from raytide.autoscaling.missing import Missing
from raytide.operator.adapters.history_file import HistoryFile
from raytide.operator.history import latest
from raytide.operator.plan.diff import Change, differences
from raytide.operator.site import Site
from raytide.services.rollout.revisions import live, named, revisions_of

NOT_FROM_HERE = Missing(reason="it was not applied from this storage folder")


def drift_of(name: str, site: Site) -> tuple[Change, ...] | Missing:
    """Every value that was applied and is otherwise now; missing where nothing was applied from here.

    A change reads `path: as it runs → as it was applied`.
    """
    applied = latest(HistoryFile(site.home, name).records())
    stable = revisions_of(name, live(site.dashboard.serve_details())).stable
    if applied is None or stable is None:
        return NOT_FROM_HERE
    return tuple(differences(named(applied.application, stable["name"]), stable))

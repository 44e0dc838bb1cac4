"""What a plan means in GPUs, money and attainment, before and after: from what runs and from the service's journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raytide.autoscaling.explain.recent import Recent, recent
from raytide.autoscaling.journal import JournalUnreadable
from raytide.autoscaling.missing import Missing
from raytide.operator.plan.diff import Plan
from raytide.operator.plan.sizes import Sizes, sizes_of
from raytide.operator.site import Site
from raytide.services.rollout.revisions import live, revisions_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A service before and after a step."""

    before: Sizes | None
    """None where it does not run."""
    after: Sizes


def outlook_of(step: Plan, site: Site) -> Outlook:
    """The sizes that the running application has, and those that the planned one will have."""
    details, seen = site.dashboard.serve_details(), recent_of(step.service, site)
    declared = revisions_of(step.service, live(details)).stable
    running = _running(details["applications"][declared["name"]]) if declared else Missing(reason="it does not run yet")
    return Outlook(
        before=sizes_of(declared, running, seen) if declared else None,
        after=sizes_of(step.desired, running, seen),
    )


def recent_of(service: str, site: Site) -> Recent | Missing:
    """The last ten minutes of its journal; missing where the journal is not here, or says nothing."""
    path = site.home / "journal" / f"{service}.jsonl"
    try:
        return recent(path.read_text("utf-8").splitlines(keepends=True))
    except FileNotFoundError:
        return Missing(reason="no traffic was seen yet; `raytide whatif` predicts from a trace")
    except (OSError, UnicodeDecodeError, JournalUnreadable) as error:
        return Missing(reason=f"its journal cannot be read: {error}")


def _running(application: Mapping[str, Any]) -> dict[str, int]:
    deployments = application.get("deployments", {})
    return {name: deployment.get("target_num_replicas") or 0 for name, deployment in deployments.items()}

"""Sizes of a service before and after a plan, from a running application and a recorded journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.codec import plain
from raytide.autoscaling.explain.recent import Recent
from raytide.autoscaling.journal import entered, write
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Finished, Observation, VariantView
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.performance.workload import from_lengths
from raytide.autoscaling.policy import Raytide
from raytide.cli import plan as planning
from raytide.core.spec.cluster import Http
from raytide.operator.outlook import Outlook, outlook_of
from raytide.operator.plan.diff import plan
from raytide.operator.plan.sizes import sizes_of, terms_of
from raytide.operator.site import Site
from raytide.services.rollout.revisions import IMPORT_PATH

from .rehearsed_serve import RehearsedServe

ENGINE = Engine(
    iteration=Iteration(base_s=13.5e-3, per_sequence_s=30e-6, per_kv_token_s=79e-9, per_prefill_token_s=50e-6),
    kv_capacity_tokens=270_000,
)
SEEN = Recent(
    until_s=600.0,
    workload=from_lengths([1000.0], [200.0], requests_per_s=20.0),
    engines={"dear": ENGINE, "cheap": ENGINE},
)
UNSEEN = Missing(reason="no traffic was seen yet")


def _application(**terms: Any) -> dict[str, Any]:
    variants = [
        {
            "name": "dear",
            "engine": {"missing": "dear was not measured yet"},
            "usd_per_hour": 12.0,
            "cold_start_s": 60.0,
        },
        {"name": "cheap", "engine": plain(ENGINE), "usd_per_hour": 8.0, "cold_start_s": 60.0, "max_replicas": 3},
    ]
    objective = {"ttft_s": 2.0, "tpot_s": 0.1, "attainment": 0.99}
    said = {"objective": objective, "variants": variants, "min_replicas": 1, "max_replicas": 6, **terms}
    settings = {
        "terms": said, "interval_s": 5.0, "scale_down_after_s": 60.0, "stale_after_s": 15.0, "journal": None
    }  # fmt: skip
    args = {
        "service": "chat",
        "variants": [{"name": "dear", "num_gpus": 2, "num_nodes": 2}, {"name": "cheap", "num_gpus": 1}],
    }
    return {
        "name": "chat",
        "import_path": IMPORT_PATH,
        "args": args,
        "deployments": [{"name": "Brain", "user_config": settings}],
    }


def test_the_fewest_are_the_cheapest_and_the_most_the_dearest() -> None:
    sizes = sizes_of(_application(), UNSEEN, SEEN)
    assert (sizes.fewest.replicas, sizes.fewest.gpus, sizes.fewest.usd_per_hour) == ({"cheap": 1}, 1, 8.0)
    assert (sizes.most.replicas, sizes.most.gpus, sizes.most.usd_per_hour) == ({"dear": 6}, 24, 72.0)


def test_quota_and_budget_bound_both_ends() -> None:
    assert sizes_of(_application(min_replicas=5), UNSEEN, SEEN).fewest.replicas == {"cheap": 3, "dear": 2}
    assert sizes_of(_application(max_usd_per_hour=40.0), UNSEEN, SEEN).most.usd_per_hour == 36.0


def test_what_runs_stays_within_new_bounds_and_of_declared_variants() -> None:
    running = {"dear": 2, "cheap": 3, "gone": 4, "Brain": 1}
    assert sizes_of(_application(), running, SEEN).now.replicas == {"dear": 2, "cheap": 3}  # type: ignore[union-attr]
    assert sizes_of(_application(max_replicas=4), running, SEEN).now.replicas == {"dear": 1, "cheap": 3}  # type: ignore[union-attr]
    assert sizes_of(_application(), {"gone": 1}, SEEN).now.replicas == {"cheap": 1}  # type: ignore[union-attr]
    assert sizes_of(_application(), UNSEEN, SEEN).now == UNSEEN


def test_more_replicas_serve_more_of_the_present_traffic_in_time() -> None:
    sizes = sizes_of(_application(), {"cheap": 2}, SEEN)
    few, now, many = (size.attainment for size in (sizes.fewest, sizes.now, sizes.most))  # type: ignore[union-attr]
    assert isinstance(few, float)
    assert few < 0.5
    assert few < now <= many  # type: ignore[operator]
    assert many == pytest.approx(1.0, abs=0.01)


def test_a_mix_shares_the_load_by_what_each_variant_bears() -> None:
    alone = sizes_of(_application(), {"cheap": 3}, SEEN).now
    mixed = sizes_of(_application(), {"cheap": 2, "dear": 1}, SEEN).now
    assert mixed.attainment == pytest.approx(alone.attainment, abs=0.02)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("recent", "why"),
    [
        (UNSEEN, UNSEEN.reason),
        (replace(SEEN, workload=Missing(reason="no request came")), "no request came"),
        (replace(SEEN, engines={}), "dear was not measured yet"),
    ],
)
def test_what_cannot_be_predicted_says_why(recent: Recent | Missing, why: str) -> None:
    assert sizes_of(_application(), UNSEEN, recent).most.attainment == Missing(reason=why)


def test_a_price_that_is_missing_is_no_price() -> None:
    application = _application()
    application["deployments"][0]["user_config"]["terms"]["variants"][0]["usd_per_hour"] = {"missing": "no pool"}
    assert sizes_of(application, UNSEEN, SEEN).most.usd_per_hour == Missing(reason="dear: no pool")


def _journal(path: Path, application: dict[str, Any]) -> None:
    """Ten minutes of twenty requests a second on two of the cheap replicas."""
    ours, terms, known, entries = Raytide(), terms_of(application), None, []
    for step in range(120):
        counts = np.full(5, 20, dtype=np.int64)
        done = Finished(
            num=100, attained=100, prompt_tokens=1e5, output_tokens=2e4, kv_token_steps=2.2e7,
            prompt_tokens_squared=1e8, output_tokens_squared=4e6,
        )  # fmt: skip
        demand = Demand(span_s=5.0, arrivals=counts, arrived_prompt_tokens=counts * 1000, finished=done)
        views = (VariantView(name="dear", target=0, num_ready=0), VariantView(name="cheap", target=2, num_ready=2))
        seen = Observation(at_s=5.0 * step, demand=demand, variants=views)
        begins, known = known is None, known or ours.begin(seen, terms)
        decision = ours.decide(seen, terms, known, seen.at_s)
        entries.append(entered(ours, terms, seen, decision, begins=begins))
        known = decision.state
    path.parent.mkdir()
    path.write_text("".join(write(entries)))


class Running(RehearsedServe):
    """With two of the cheap replicas."""

    def serve_details(self) -> dict[str, Any]:
        details = super().serve_details()
        for application in details["applications"].values():
            application["deployments"] = {"cheap": {"target_num_replicas": 2}, "dear": {"target_num_replicas": 0}}
        return details


def test_a_plan_is_told_in_numbers_before_and_after(tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    live, desired = _application(), _application(max_replicas=8, max_usd_per_hour=90.0)
    where = Site(address="x", home=tmp_path, cluster=None, http=Http(), serve=Running())
    where.dashboard.put_applications([live], {})
    _journal(tmp_path / "journal" / "chat.jsonl", live)
    step = plan(desired, live)
    told = "\n".join(planning.sized(outlook_of(step, where))) + "\n"
    golden(Path(__file__).parent / "golden" / "sizes.txt", told)


def test_without_a_journal_the_attainment_is_unknown_and_said_why_once(tmp_path: Path) -> None:
    where = Site(address="x", home=tmp_path, cluster=None, http=Http(), serve=RehearsedServe())
    outlook = outlook_of(plan(_application(), None), where)
    assert isinstance(outlook, Outlook)
    assert outlook.before is None
    lines = list(planning.sized(outlook))
    assert [line.split()[:2] for line in lines[1:3]] == [["after", "fewest"], ["after", "most"]]
    assert lines[3:] == ["  in time: no traffic was seen yet; `raytide whatif` predicts from a trace"]

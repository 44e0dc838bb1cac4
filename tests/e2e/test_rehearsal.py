"""Two kinds of nodes come and go for an emulated service, by Ray's own autoscaler; nothing computes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
SMALL = (
    "spec.scaling.min_replicas=1",
    "spec.scaling.max_replicas=3",
    "spec.scaling.scale_down_after=5s",
    "spec.hardware.0.max_replicas=1",
    "spec.access={max_wait: 5m}",  # a slow machine answers late, and here nobody is turned away for it
)
CALM_S, BURST_S, SPAN_S = 6.0, 24.0, 30.0


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A calm start, a burst that one small replica cannot bear, and calm again."""
    folder = tmp_path_factory.mktemp("rehearsal")
    arrivals_s = [*(float(second) for second in range(int(CALM_S))), *(CALM_S + n / 6 for n in range(int(BURST_S * 6)))]
    trace, out = folder / "trace.csv", folder / "found.json"
    trace.write_text("arrival_s,prompt_tokens,output_tokens\n" + "".join(f"{at_s:.3f},400,70\n" for at_s in arrivals_s))
    script = [sys.executable, str(ROOT / "benchmarks" / "live_scaling.py"), str(trace)]
    played = ["--every", "1", "--speed", "1", "--seconds", str(SPAN_S), "--calm", "120", "--json", str(out)]
    settings = [word for one in SMALL for word in ("--set", one)]
    ran = subprocess.run(
        [*script, *played, *settings], env={**os.environ, "RAY_AUTH_MODE": "disabled"}, capture_output=True, text=True,
        check=False, timeout=280,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result: dict[str, Any] = json.loads(out.read_text())
    return result


def _most(found: dict[str, Any], what: str, kind: str) -> int:
    return max(int(seen[what].get(kind, 0)) for seen in found["timeline"])


def test_a_burst_brings_the_other_kind_and_its_node_and_calm_takes_them_away(found: dict[str, Any]) -> None:
    assert _most(found, "ready", "emulated-l4-spot") == 1
    assert _most(found, "ready", "emulated-h100") >= 1
    # Ray's autoscaler may start a node more than the replica needs where the first one is slow to register.
    assert _most(found, "nodes", "L4") >= 1
    assert _most(found, "nodes", "H100") >= 1
    last = found["timeline"][-1]
    for what in ("target", "nodes"):
        assert sum(last[what].values()) < max(sum(seen[what].values()) for seen in found["timeline"]), what


def test_the_pool_plan_keeps_a_node_for_whatever_serves_and_none_for_what_was_never_ordered(
    found: dict[str, Any],
) -> None:
    looks = [seen for seen in found["timeline"] if seen["planned"] is not None]
    assert len(looks) > len(found["timeline"]) / 2
    assert looks[0]["planned"]["H100"] == 0
    for kind, variant in (("L4", "emulated-l4-spot"), ("H100", "emulated-h100")):
        serves = [bool(seen["target"][variant] and seen["ready"][variant]) for seen in looks]
        # The brain's word is a few seconds old: what it still says at the next look was so at this one.
        kept = [
            seen["planned"][kind] for seen, now, then in zip(looks, serves, serves[1:], strict=False) if now and then
        ]
        assert kept
        assert min(kept) >= 1


def test_every_request_is_answered_in_full_though_replicas_stop(found: dict[str, Any]) -> None:
    assert found["requests"] == 150
    assert found["cut_or_failed"] == []


def test_every_decision_says_why_and_is_decided_again_to_the_bit(found: dict[str, Any]) -> None:
    assert found["decisions"] > 20
    assert found["explained"]
    assert found["decided_again_to_the_bit"]


def test_the_lead_time_of_each_kind_is_learnt(found: dict[str, Any]) -> None:
    assert set(found["lead_times_s"]) == {"emulated-l4-spot", "emulated-h100"}
    assert all(2.0 < lead_s < 60.0 for lead_s in found["lead_times_s"].values())

"""New revisions of a service under load: a slow and a failing one are rolled back, a good one takes everything."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Cluster
from .steady_load import SteadyLoad

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
PROBE = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: probe}
spec:
  model: {source: none}
  engine: {kind: emulated, args: {max_num_seqs: 64}}
  route: /probe
  hardware:
    - accelerator: CPU
      cpus: 0.1
      cold_start: 3s
      performance: {iteration: {base: 5ms, per_prefill_token: 10us}, kv_capacity_tokens: 100000}
  objectives: {ttft: {p95: 3s}, tpot: {p95: 200ms}, attainment: 95%}
  scaling: {min_replicas: 1, max_replicas: 2, interval: 1s, scale_down_after: 5s}
  rollout: {canary: {steps: [1%, 100%], hold: 3s, patience: 5m, gate: {error_rate: 5%, quality: any}}}
"""
SLOW = "spec.hardware.0.performance.iteration.base=400ms"
GOOD = "spec.hardware.0.performance.iteration.base=6ms"
FAILING = "spec.engine.args={max_num_seqs: 64, fail_every: 2}"
SOON = "spec.rollout.canary.steps=[10%, 100%]"
REQUESTS_PER_S = 25.0
OUTPUT_TOKENS = 3


class Load(SteadyLoad):
    """Streams, and how each of them ended."""

    def __init__(self, url: str) -> None:
        super().__init__({"probe": REQUESTS_PER_S})
        self._url = url
        self.ends: Counter[str] = Counter()

    async def ask(self, http: httpx.AsyncClient, name: str) -> None:
        body = {"model": "probe", "prompt": [1, 2], "max_tokens": OUTPUT_TOKENS, "stream": True}
        try:
            answer = await http.post(f"{self._url}/v1/completions", json=body)
            self.ends[_end(answer)] += 1
        except httpx.HTTPError as error:
            self.ends[repr(error)] += 1

    @property
    def num_failed(self) -> int:
        """Requests that an engine failed as it was declared to."""
        return self.ends["failed"]


def _end(answer: httpx.Response) -> str:
    if answer.status_code == 500 and "fail_every" in answer.text:
        return "failed"
    return "whole" if answer.text.endswith("data: [DONE]\n\n") else answer.text[-200:]


class Probe:
    """The service, as a user commands it and sees it."""

    def __init__(self, cluster: Cluster, file: Path) -> None:
        self._cluster, self._file = cluster, file

    def apply(self, *overrides: str) -> str:
        words = [word for override in overrides for word in ("--set", override)]
        applied = self._cluster.run(["raytide", "apply", str(self._file), *words])
        return applied.stdout + applied.stderr

    def shown(self) -> list[dict[str, Any]]:
        answer = self._cluster.run(["raytide", "status", "--json"])
        assert answer.returncode == 0, answer.stderr
        return [one for one in json.loads(answer.stdout)["services"] if one["name"] == "probe"]

    def last_change(self) -> dict[str, Any]:
        changes = json.loads(self._cluster.run(["raytide", "history", "probe", "--json"]).stdout)["changes"]
        last: dict[str, Any] = changes[-1]
        return last

    def ended(self, timeout_s: float = 240) -> dict[str, Any]:
        """The last change, once its rollout has ended and one revision is left."""
        deadline_s = time.monotonic() + timeout_s
        while (last := self.last_change())["outcome"] == "canary" or len(self.shown()) > 1:
            assert time.monotonic() < deadline_s, self.shown()
            time.sleep(1)
        return last


@pytest.fixture(scope="module")
def probe(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    file = tmp_path_factory.mktemp("probe") / "probe.yaml"
    file.write_text(PROBE)
    found = Probe(cluster, file)
    assert "probe runs" in found.apply()
    yield found
    assert cluster.run(["raytide", "delete", "probe"]).returncode == 0
    assert found.shown() == []


@pytest.fixture(scope="module")
def load(probe: Probe) -> Iterator[Load]:
    with Load(probe.shown()[0]["url"]) as under_way:
        yield under_way


def test_a_slow_revision_is_rolled_back_at_its_first_step_and_said_why(probe: Probe, load: Load) -> None:
    before = load.ends.total()
    assert "runs as a canary" in probe.apply(SLOW)
    shown = probe.shown()
    assert [one["canary"] for one in shown] == [False, True]
    last = probe.ended()
    assert (last["verb"], last["outcome"]) == ("canary", "rolled-back")
    assert last["why"].startswith("tpot: ")
    missed = int(last["why"].split()[1])
    assert missed <= 0.02 * (load.ends.total() - before)
    assert [one["canary"] for one in probe.shown()] == [False]


def test_a_failing_revision_is_rolled_back_before_two_in_a_hundred_have_met_it(probe: Probe, load: Load) -> None:
    before, failed = load.ends.total(), load.num_failed
    assert "runs as a canary" in probe.apply(FAILING)
    last = probe.ended()
    assert (last["verb"], last["outcome"]) == ("canary", "rolled-back")
    assert last["why"].startswith("errors: ")
    assert 0 < load.num_failed - failed <= 0.02 * (load.ends.total() - before)
    assert [one["canary"] for one in probe.shown()] == [False]


def test_a_good_revision_takes_all_the_traffic_and_no_replica_restarts_for_it(probe: Probe, load: Load) -> None:
    assert "runs as a canary" in probe.apply(GOOD, SOON)
    (canary,) = [one for one in probe.shown() if one["canary"]]
    last = probe.ended()
    assert (last["outcome"], last["revision"]) == ("applied", canary["revision"])
    (shown,) = probe.shown()
    assert (shown["revision"], shown["drift"]) == (canary["revision"], [])
    assert set(canary["replica_ids"]) <= set(shown["replica_ids"])
    assert probe.apply(GOOD, SOON).startswith("probe is as declared")


def test_in_all_of_this_no_client_was_cut_or_refused_but_by_the_revision_that_fails(load: Load) -> None:
    load.__exit__()
    assert set(load.ends) == {"whole", "failed"}, load.ends
    assert load.ends["whole"] > 500

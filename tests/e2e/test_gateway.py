"""The gateway of a real cluster before an emulated service: keys, money, and a service that wakes for who waits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
GUARDED = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: guarded}
spec:
  model: {source: none}
  engine: {kind: emulated, args: {max_num_seqs: 4}}
  route: /guarded
  hardware:
    - accelerator: CPU
      cpus: 0.1
      cold_start: 3s
      performance: {iteration: {base: 10ms, per_prefill_token: 10us}, kv_capacity_tokens: 4000}
  objectives: {ttft: {p95: 1s}, tpot: {p95: 50ms}}
  scaling: {min_replicas: 0, max_replicas: 1, interval: 1s, scale_down_after: 2s}
  access: {api_keys: required, prices: {input: $1/Mtok, output: $2/Mtok}}
  feedback: {judge_within: 1h}
"""


@pytest.fixture
def url(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    with cluster.serving("guarded", GUARDED, tmp_path) as gateway:
        yield gateway


def ask(url: str, secret: str, **more: Any) -> httpx.Response:
    body = {"model": "guarded", "prompt": [1, 2, 3], "max_tokens": 5, **more}
    headers = {"authorization": f"Bearer {secret}"}
    return httpx.post(f"{url}/v1/completions", json=body, headers=headers, timeout=120, trust_env=False)


def used(cluster: Cluster, name: str) -> dict[str, Any]:
    listed = json.loads(cluster.run(["raytide", "keys", "list", "--json"]).stdout)["keys"]
    key: dict[str, Any] = next(each for each in listed if each["name"] == name)
    return key


def judged(url: str, secret: str, answer: httpx.Response, **judgement: str) -> int:
    body, headers = {"id": answer.headers["x-request-id"], **judgement}, {"authorization": f"Bearer {secret}"}
    return httpx.post(f"{url}/v1/feedback", json=body, headers=headers, trust_env=False).status_code


def test_a_sleeping_service_wakes_only_for_a_key_and_bills_what_it_used(
    cluster: Cluster, url: str, tmp_path: Path
) -> None:
    made = json.loads(cluster.run(["raytide", "keys", "create", "team", "--usd-total", "0.1", "--json"]).stdout)
    assert ask(url, "rt-guess").status_code == 401
    first = ask(url, made["secret"])
    assert (first.status_code, first.json()["usage"]["completion_tokens"]) == (200, 5), first.text
    stream = ask(f"{url}/guarded", made["secret"], stream=True)
    assert stream.text.count("data: {") == 5
    assert "usage" not in stream.text
    deadline = time.monotonic() + 10
    while used(cluster, "team")["budget"]["reserved_nano_usd"] and time.monotonic() < deadline:
        time.sleep(0.2)
    key = used(cluster, "team")
    assert key["budget"]["reserved_nano_usd"] == 0
    assert key["budget"]["spent_nano_usd"] == 2 * (3 * 1000 + 5 * 2000)
    assert [(each["service"], each["requests"]) for each in key["usage"]] == [("guarded", 2)]

    answer = ask(url, made["secret"], prompt="two and two?", stream=True)
    assert (judged(url, "rt-guess", answer, rating="down"), judged(url, made["secret"], answer, edit="four")) == (
        401,
        200,
    )
    assert "0 up, 0 down, 1 edits" in cluster.run(["raytide", "feedback", "show", "guarded"]).stdout
    exported = cluster.run(["raytide", "feedback", "export", "guarded", "--output", str(tmp_path / "pairs")])
    assert exported.returncode == 0, exported.stderr
    (row,) = (json.loads(line) for line in (tmp_path / "pairs" / "preferences.jsonl").read_text().splitlines())
    assert (row["prompt"], row["chosen"]) == ("two and two?", "four")
    assert row["rejected"]

    assert cluster.run(["raytide", "keys", "revoke", "team"]).returncode == 0
    assert ask(url, made["secret"]).json()["error"]["code"] == "revoked_api_key"
    metrics = httpx.get(f"{url}/metrics", trust_env=False).text
    assert 'raytide_gateway_requests_total{outcome="finished",service="guarded"} 3.0' in metrics

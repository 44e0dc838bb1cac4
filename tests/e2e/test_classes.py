"""Two classes before one replica that cannot bear both: the higher is answered in time, the lower hears why not."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Cluster
from .steady_load import SteadyLoad

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
TTFT_S = 2.0
CROWDED = f"""\
apiVersion: raytide/v1
kind: Service
metadata: {{name: crowded}}
spec:
  model: {{source: none}}
  engine: {{kind: emulated, args: {{max_num_seqs: 2}}}}
  route: /crowded
  hardware:
    - accelerator: CPU
      cpus: 0.1
      cold_start: 3s
      performance: {{iteration: {{base: 10ms, per_sequence: 20ms, per_prefill_token: 10us}}, kv_capacity_tokens: 4000}}
  objectives: {{ttft: {{p95: {TTFT_S:g}s}}, tpot: {{p95: 200ms}}, attainment: 90%}}
  scaling: {{min_replicas: 1, max_replicas: 1, interval: 1s}}
  access: {{api_keys: required, prices: {{input: $1/Mtok, output: $2/Mtok}}}}
  traffic: {{classes: [{{name: paid, priority: 1}}, {{name: free, priority: 0}}]}}
"""
OUTPUT_TOKENS = 4
"""A fifth of a second each, two at a time: ten requests per second are all that the replica bears."""
REQUESTS_PER_S = {"paid": 3.0, "free": 15.0}
EVERYBODY = {"paid": 1.0, "free": 1.0}


class Load(SteadyLoad):
    """Requests of both classes, and what became of each: a code and the seconds until it was known."""

    def __init__(self, url: str, secrets: dict[str, str]) -> None:
        super().__init__(REQUESTS_PER_S)
        self._url, self._secrets = url, secrets
        self.answers: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)

    async def ask(self, http: httpx.AsyncClient, name: str) -> None:
        began_s = time.monotonic()
        answer = await http.post(**request(self._url, self._secrets[name]))
        self.answers[name].append((code_of(answer), time.monotonic() - began_s))


def request(url: str, secret: str) -> dict[str, Any]:
    body = {"model": "crowded", "prompt": [1, 2, 3], "max_tokens": OUTPUT_TOKENS}
    return {"url": f"{url}/v1/completions", "json": body, "headers": {"authorization": f"Bearer {secret}"}}


def code_of(answer: httpx.Response) -> str:
    return "answered" if answer.status_code == 200 else str(answer.json()["error"]["code"])


@pytest.fixture
def url(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    with cluster.serving("crowded", CROWDED, tmp_path) as gateway:
        yield gateway


@pytest.fixture
def secrets(cluster: Cluster) -> dict[str, str]:
    def made(name: str) -> str:
        ran = cluster.run(["raytide", "keys", "create", f"{name}-team", "--class", name, "--json"])
        return str(json.loads(ran.stdout)["secret"])

    return {name: made(name) for name in REQUESTS_PER_S}


def until(reached: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline_s
        time.sleep(0.5)


def test_under_load_the_lower_class_makes_room_for_the_higher_and_in_calm_it_is_back(
    cluster: Cluster, url: str, secrets: dict[str, str]
) -> None:
    with Load(url, secrets) as load:
        until(lambda: ("class_shed" in dict(load.answers["free"])) and is_calm(load))
        seen = {name: len(answers) for name, answers in load.answers.items()}
        until(lambda: len(load.answers["paid"]) >= seen["paid"] + 30)
    since = {name: answers[seen[name] :] for name, answers in load.answers.items()}
    assert {code for code, _ in since["paid"]} == {"answered"}
    assert sum(within_s <= TTFT_S for _, within_s in since["paid"]) >= 0.9 * len(since["paid"])
    codes = {code for code, _ in since["free"]}
    # Where a slow machine lets the queue grow between two decisions, admission refuses as well.
    assert {"answered", "class_shed"} <= codes <= {"answered", "class_shed", "overloaded"}
    with httpx.Client(timeout=60, trust_env=False) as http:
        until(lambda: all(code_of(http.post(**request(url, secrets["free"]))) == "answered" for _ in range(3)))


def is_calm(load: Load) -> bool:
    """Whether the queue from before the first decision is gone: the last answers of the higher class came soon."""
    last = load.answers["paid"][-5:]
    return len(last) == 5 and all(within_s <= TTFT_S / 2 for _, within_s in last)

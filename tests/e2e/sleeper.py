"""A job beside a service that is asleep: wakes it as a gateway does, asks it once, and waits until it sleeps again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
from ray import serve

from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.routes import Routes
from raytide.services.gateway.upstream import let_in

brain: Any = serve.get_deployment_handle(BRAIN, "sleepy")


def routes() -> Routes:
    return Routes.from_plain(brain.routes.remote().result(timeout_s=30))


def seconds_until(reached: Callable[[Routes], bool], *, waiting: int = 0) -> float:
    began_s = time.monotonic()
    while not reached(routes()):
        assert time.monotonic() - began_s < 120, routes()
        if waiting:
            brain.wake.remote(waiting).result(timeout_s=30)
        time.sleep(1.0)
    return time.monotonic() - began_s


def asleep(seen: Routes) -> bool:
    return not seen.upstreams and not seen.waking


def ask(seen: Routes) -> int:
    body = {"model": "sleepy", "prompt": [1, 2, 3], "max_tokens": 5}
    (first, *_), headers = seen.upstreams, let_in(seen.upstreams[0])
    answer = httpx.post(
        f"http://{first.address}/v1/completions", json=body, headers=headers, trust_env=False, timeout=30
    )
    tokens: int = answer.json()["usage"]["completion_tokens"]
    return tokens


found = []
for _ in range(2):
    slept_s = seconds_until(asleep)
    woke_s = seconds_until(lambda seen: bool(seen.upstreams), waiting=2)
    found.append({"until_asleep_s": slept_s, "until_awake_s": woke_s, "tokens": ask(routes())})
sys.stdout.write("found " + json.dumps(found) + "\n")

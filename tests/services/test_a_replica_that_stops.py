from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace

import httpx
import pytest

from raytide.autoscaling.codec import plain
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.services.engines import replica as module
from raytide.services.engines.replica import Replica

SPEED = Engine(
    iteration=Iteration(base_s=0.02, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=1e-6),
    kv_capacity_tokens=10_000,
)
SETTINGS = {"kind": "emulated", "service": "chat", "model_path": "none", "speed": plain(SPEED)}
OUTPUT_TOKENS = 40
# Serve ends the process once it has awaited this; here Python collects the replica and calls it once more.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'Replica.__del__' was never awaited")


class Brain:
    """Hears reports through a handle's methods, as Serve's are called."""

    def __init__(self) -> None:
        self.heard: list[ReplicaReport] = []
        self.report = SimpleNamespace(remote=self._take)

    async def _take(self, reports: Sequence[ReplicaReport]) -> None:
        self.heard.extend(reports)

    async def hears(self, reached: Callable[[ReplicaReport], bool]) -> ReplicaReport:
        async with asyncio.timeout(30):
            while not (found := next((one for one in self.heard if reached(one)), None)):  # noqa: ASYNC110 (a fake)
                await asyncio.sleep(0.01)
        return found


@pytest.fixture(autouse=True)
def _beside_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    replica_id = SimpleNamespace(unique_id="a")
    monkeypatch.setattr("ray.serve.get_replica_context", lambda: SimpleNamespace(replica_id=replica_id))
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")
    monkeypatch.setattr(module, "REPORT_INTERVAL_S", 0.05)
    monkeypatch.setattr(module, "LINGER_S", 1.0)


def run(story: Awaitable[None]) -> None:
    """To the end of a story, on a busy machine too."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story

    asyncio.run(bounded())


async def _made(brain: Brain) -> Replica:
    made = Replica.__new__(Replica)
    await made.__init__("emulated-l4", SETTINGS, brain)  # type: ignore[misc] # as Serve does
    return made


async def _ask(address: str, key: str) -> str:
    body = {"model": "chat", "prompt": [1], "max_tokens": OUTPUT_TOKENS, "ignore_eos": True, "stream": True}
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(trust_env=False, timeout=20, headers=headers) as client:
        return (await client.post(f"http://{address}/v1/completions", json=body)).text


def test_it_says_so_takes_requests_until_it_is_forgotten_and_finishes_every_stream() -> None:
    async def story() -> None:
        brain = Brain()
        replica = await _made(brain)
        heard = await brain.hears(lambda one: bool(one.address))
        address, key = heard.address, heard.key
        early = asyncio.create_task(_ask(address, key))
        await brain.hears(lambda one: one.running == 1)
        stopping = asyncio.create_task(replica.__del__())
        await brain.hears(lambda one: one.is_draining)
        late = asyncio.create_task(_ask(address, key))  # from a gateway that has not heard of it yet
        for answer in await asyncio.gather(early, late):
            assert answer.count('"text":') == OUTPUT_TOKENS
            assert answer.endswith("data: [DONE]\n\n")
        await stopping
        with pytest.raises(httpx.ConnectError):
            await _ask(address, key)
        finished = [sample for report in brain.heard for sample in report.finished]
        assert [sample.output_tokens for sample in finished] == [OUTPUT_TOKENS] * 2  # the brain has heard of all

    run(story())


def test_an_idle_one_ends_as_soon_as_it_is_forgotten() -> None:
    async def story() -> None:
        brain = Brain()
        replica = await _made(brain)
        async with asyncio.timeout(10):
            await replica.__del__()
        assert brain.heard[-1].is_draining

    run(story())


def test_only_who_has_heard_its_key_from_the_brain_is_let_in() -> None:
    async def story() -> None:
        brain = Brain()
        replica = await _made(brain)
        heard = await brain.hears(lambda one: bool(one.address))
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://{heard.address}/v1/models"
            refused = await client.get(url)
            answer = await client.get(url, headers={"authorization": f"Bearer {heard.key}"})
        await replica.check_health()
        await replica.__del__()
        assert (refused.status_code, answer.status_code) == (401, 200)
        assert heard.key not in repr(heard)
        assert len(heard.key) == 43

    run(story())


def test_one_that_has_stopped_reporting_is_replaced_for_no_gateway_hears_of_it() -> None:
    async def story() -> None:
        made = await _made(brain := Brain())
        await brain.hears(lambda _: True)
        await made.check_health()
        made._reporting.cancel()
        await asyncio.wait([made._reporting])
        with pytest.raises(RuntimeError, match="reports no more"):
            await made.check_health()
        await made.__del__()

    run(story())

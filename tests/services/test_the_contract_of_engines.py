"""Every engine behaves alike: its answers, its refusals, what it does when a client goes, and what it counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from raytide.autoscaling.codec import plain
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.live.routes import HELD_HEADER
from raytide.autoscaling.performance.engine import Engine as Speed
from raytide.autoscaling.performance.engine import Iteration
from raytide.services.engines.edge import Edge
from raytide.services.engines.engine import Engine, Measured, start
from raytide.services.engines.listener import Listener
from raytide.services.engines.meter import ReplicaMeter
from raytide.services.settings import EngineSettings

from .collector import Collector

MAX_MODEL_LEN = 256
PROMPT = [7, 8, 9, 10]
SPEED = Speed(
    iteration=Iteration(base_s=0.01, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=1e-5),
    kv_capacity_tokens=4096,
    chunk_tokens=512,
    max_num_seqs=4,
)
ARGS = {"max_model_len": MAX_MODEL_LEN, "max_num_seqs": 4}
ON_CPU = {"dtype": "float32", "enforce_eager": True, "distributed_executor_backend": "uni"}


@dataclass
class Served:
    """An engine behind its own port, in a thread."""

    url: str
    meter: ReplicaMeter
    measured: Measured
    engine: Engine

    def post(self, path: str, **body: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json={"model": "chat", **body}, timeout=60, trust_env=False)

    def stream(self, path: str, **body: Any) -> list[str]:
        asked = {"model": "chat", "stream": True, **body}
        with httpx.stream("POST", f"{self.url}{path}", json=asked, timeout=60, trust_env=False) as response:
            return [line.removeprefix("data: ") for line in response.iter_lines() if line]

    def report(self) -> ReplicaReport:
        return self.meter.report(
            time.time(),
            address="",
            key="k",
            is_draining=False,
            capacity=self.measured.capacity,
            engine=self.measured.speed,
            waiting_prompt_tokens=self.engine.waiting_prompt_tokens,
        )


@pytest.fixture(scope="module", params=["emulated", pytest.param("vllm", marks=pytest.mark.e2e)])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[Served]:
    if request.param == "emulated":
        settings = EngineSettings(kind="emulated", service="chat", model_path="any", args=ARGS, speed=plain(SPEED))
        yield from _serving(settings)
        return
    pytest.importorskip("vllm", reason="needs vLLM: install requirements/cpu.lock, or raytide[gpu]")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1",
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        folder = tmp_path_factory.mktemp("model")
        _save_tiny_model(folder)
        yield from _serving(
            EngineSettings(
                service="chat", model_path=str(folder), args={**ARGS, **ON_CPU, "otlp_traces_endpoint": collector.url}
            )
        )


def _serving(settings: EngineSettings) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout_s)

    async def begin() -> tuple[Served, Listener]:
        meter = ReplicaMeter(replica="a", variant="v", started_s=time.time())
        engine = start(settings, meter)
        routes = await engine.routes()
        measured = await engine.measure(routes)
        meter.reset(time.time())
        edge = Edge(routes, meter, "k")

        async def let_in(scope: Any, receive: Any, send: Any) -> None:
            bearer = [(b"authorization", b"Bearer k")] if scope["type"] == "http" else []
            await edge({**scope, "headers": [*scope.get("headers", ()), *bearer]}, receive, send)

        listener = Listener(let_in, "127.0.0.1")
        listener.start()
        url = f"http://{listener.address}"
        return Served(url=url, meter=meter, measured=measured, engine=engine), listener

    served, listener = run(begin(), 300)
    yield served
    run(listener.drain(), 30)
    served.engine.stop()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)


def _save_tiny_model(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(["<unk>", "<s>", "</s>", *map(str, range(253))])}
    plain_tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain_tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=32, max_position_embeddings=MAX_MODEL_LEN, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def _until(reached: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_it_is_healthy_and_names_its_model(served: Served) -> None:
    assert httpx.get(f"{served.url}/health", trust_env=False).status_code == 200
    models = httpx.get(f"{served.url}/v1/models", trust_env=False).json()
    assert models["object"] == "list"
    assert [(model["id"], model["object"]) for model in models["data"]] == [("chat", "model")]
    assert models["data"][0]["max_model_len"] == MAX_MODEL_LEN


def test_a_completion_has_as_many_tokens_as_asked_for_and_says_so(served: Served) -> None:
    answer = served.post("/v1/completions", prompt=PROMPT, max_tokens=6, ignore_eos=True).json()
    assert answer["id"].startswith("cmpl-")
    assert (answer["object"], answer["model"]) == ("text_completion", "chat")
    (choice,) = answer["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "length")
    assert choice["text"]
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (4, 6, 10)


def test_a_chat_turn_is_the_assistants(served: Served) -> None:
    messages = [{"role": "user", "content": "7 8 9"}]
    answer = served.post("/v1/chat/completions", messages=messages, max_tokens=5, ignore_eos=True).json()
    assert (answer["object"], answer["id"][:8]) == ("chat.completion", "chatcmpl")
    (choice,) = answer["choices"]
    assert (choice["message"]["role"], choice["finish_reason"]) == ("assistant", "length")
    assert choice["message"]["content"]
    assert answer["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_a_stream_ends_with_a_reason_the_usage_if_asked_for_and_the_mark(served: Served, path: str) -> None:
    asked = {"prompt": PROMPT} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "7 8"}]}
    *events, usage, mark = served.stream(
        path, **asked, max_tokens=6, ignore_eos=True, stream_options={"include_usage": True}
    )
    assert mark == "[DONE]"
    pieces = [json.loads(event) for event in events]
    assert len({piece["id"] for piece in pieces}) == 1
    reasons = [piece["choices"][0]["finish_reason"] for piece in pieces]
    assert reasons == [None] * (len(pieces) - 1) + ["length"]
    last = json.loads(usage)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 6
    if path == "/v1/chat/completions":
        assert pieces[0]["choices"][0]["delta"]["role"] == "assistant"


def test_a_stream_that_asks_for_no_usage_gets_none(served: Served) -> None:
    events = served.stream("/v1/completions", prompt=PROMPT, max_tokens=3, ignore_eos=True)
    assert all(json.loads(event)["choices"] for event in events[:-1])


def test_several_answers_to_one_prompt_are_told_apart(served: Served) -> None:
    answer = served.post("/v1/completions", prompt=PROMPT, max_tokens=3, n=2, ignore_eos=True, temperature=1.0).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert answer["usage"]["completion_tokens"] == 6


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "other", "prompt": PROMPT}, 404),
        ({"prompt": [7] * (MAX_MODEL_LEN + 1), "max_tokens": 1}, 400),
        ({"prompt": PROMPT, "max_tokens": MAX_MODEL_LEN}, 400),
        ({"prompt": PROMPT, "max_tokens": -1}, 400),
        ({"prompt": PROMPT, "n": 0}, 400),
        ({"prompt": PROMPT, "stream": "perhaps"}, 400),
    ],
)
def test_what_cannot_be_answered_is_refused_in_the_shape_of_openai(
    served: Served, body: dict[str, Any], status: int
) -> None:
    answer = served.post("/v1/completions", **body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error.keys() >= {"message", "type", "param", "code"}
    assert (error["code"], bool(error["message"])) == (status, True)


@pytest.mark.parametrize("content", [b"{", b"[]", b""])
def test_a_body_that_is_no_request_is_refused(served: Served, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{served.url}/v1/completions", content=content, headers=headers, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_client_that_goes_leaves_nothing_running(served: Served, is_streamed: bool) -> None:
    body = {"model": "chat", "prompt": PROMPT, "max_tokens": 250, "ignore_eos": True, "stream": is_streamed}
    with httpx.Client(timeout=httpx.Timeout(60, read=0.4), trust_env=False) as client:
        if is_streamed:
            with client.stream("POST", f"{served.url}/v1/completions", json=body) as response:
                next(response.iter_bytes())
        else:
            with contextlib.suppress(httpx.ReadTimeout):
                client.post(f"{served.url}/v1/completions", json=body)
    _until(lambda: served.report().running == 0)


def test_it_counts_arrivals_first_tokens_answers_and_iterations(served: Served) -> None:
    _until(lambda: served.report().running == 0)
    for _ in range(2):
        served.post("/v1/completions", prompt=PROMPT, max_tokens=8, ignore_eos=True)
    report = served.report()
    arrived = report.arrivals.values()
    assert (sum(each.num for each in arrived), sum(each.prompt_tokens for each in arrived)) == (2, 8)
    assert len(report.first_tokens_s) == 2
    assert [(one.prompt_tokens, one.output_tokens) for one in report.finished] == [(4, 8), (4, 8)]
    assert all(one.ttft_s > 0 and one.tpot_s > 0 for one in report.finished)
    assert report.iterations.num >= 14
    assert report.iterations.sequences >= 14
    assert report.iterations.seconds > 0


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_request_that_a_gateway_has_held_counts_when_it_came(served: Served, is_streamed: bool) -> None:
    _until(lambda: served.report().running == 0)
    body = {"model": "chat", "prompt": PROMPT, "max_tokens": 2, "stream": is_streamed}
    headers, now_s = {HELD_HEADER: "40.0"}, time.time()
    httpx.post(f"{served.url}/v1/completions", json=body, headers=headers, timeout=60, trust_env=False)
    served.post("/v1/completions", prompt=PROMPT, max_tokens=2)
    first, second = sorted(served.report().arrivals)
    assert first == pytest.approx(now_s - 40, abs=2)
    assert second == pytest.approx(now_s, abs=10)


def test_it_says_what_it_can_do(served: Served) -> None:
    capacity, speed = served.measured.capacity, served.measured.speed
    assert [point.concurrency for point in capacity.points] == [1, 2, 4]
    assert capacity.prefill_tokens_per_s > 0
    assert speed.max_num_seqs == 4
    assert speed.kv_capacity_tokens >= MAX_MODEL_LEN


def test_the_spans_of_vllm_are_children_of_the_requests_own(served: Served, collector: Collector) -> None:
    if served.engine.__class__.__name__ == "EmulatedEngine":
        pytest.skip("an emulated engine says nothing of itself but to the meter")
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    served.post("/v1/completions", prompt=PROMPT, max_tokens=2)
    context = {"traceparent": f"00-{trace_id}-{span_id}-01"}
    body = {"model": "chat", "prompt": PROMPT, "max_tokens": 2}
    httpx.post(f"{served.url}/v1/completions", json=body, headers=context, timeout=60, trust_env=False)
    _until(lambda: any(span.trace_id.hex() == trace_id for span in collector.spans))
    assert span_id in {span.parent_span_id.hex() for span in collector.spans if span.trace_id.hex() == trace_id}

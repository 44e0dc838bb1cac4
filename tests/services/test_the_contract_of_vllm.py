"""The parts of vLLM 0.29 that the engine uses: none is a stable interface, so a drift must break here."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.live.reports import ReplicaReport, RequestSample
from raytide.core.errors import RaytideError
from raytide.services.engines.meter import ReplicaMeter
from raytide.services.settings import EngineSettings

pytest.importorskip("vllm")
SETTINGS = EngineSettings(service="chat", model_path="/models/chat", args={"max_num_seqs": 4})


def test_the_engine_is_made_and_used_by_these_names() -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    assert callable(AsyncEngineArgs.from_cli_args)
    assert callable(AsyncEngineArgs.create_engine_config)
    inspect.signature(AsyncLLM.from_vllm_config).bind(object(), stat_loggers=[])
    for name in ("check_health", "get_supported_tasks"):
        assert inspect.iscoroutinefunction(getattr(AsyncLLM, name))
    inspect.signature(AsyncLLM.shutdown).bind(object())
    inspect.signature(AsyncLLM.get_num_queued_tokens).bind(object())


def test_the_routes_are_built_by_these_names() -> None:
    from vllm.entrypoints.launchers.api_server.app_state import init_app_state
    from vllm.entrypoints.launchers.app import build_app

    inspect.signature(build_app).bind(object(), supported_tasks=(), model_config=object())
    inspect.signature(init_app_state).bind(object(), object(), object(), supported_tasks=())
    assert inspect.iscoroutinefunction(init_app_state)
    assert not inspect.iscoroutinefunction(build_app)


def test_the_limits_are_read_from_these_fields() -> None:
    from vllm.config import CacheConfig, ModelConfig, SchedulerConfig

    inspect.signature(ModelConfig.get_vocab_size).bind(object())
    assert "max_model_len" in ModelConfig.__dataclass_fields__
    assert {"max_num_seqs", "max_num_batched_tokens"} <= SchedulerConfig.__dataclass_fields__.keys()
    assert {"kv_cache_size_tokens", "num_gpu_blocks", "block_size"} <= CacheConfig.__dataclass_fields__.keys()


def test_the_engines_measurements_reach_the_meter(
    meter: ReplicaMeter, reported: Callable[[float], ReplicaReport]
) -> None:
    from vllm.v1.engine import FinishReason
    from vllm.v1.metrics.stats import FinishedRequestStats, IterationStats, SchedulerStats

    from raytide.services.engines.vllm.stats import meter_logger

    iteration = IterationStats()
    iteration.time_to_first_tokens_iter.append(0.5)
    iteration.finished_requests.append(
        FinishedRequestStats(
            finish_reason=FinishReason.LENGTH,
            e2e_latency=1.5,
            num_prompt_tokens=10,
            num_cached_tokens=4,
            num_generation_tokens=5,
            decode_time=1.0,
            mean_time_per_output_token=0.25,
        )
    )
    logger: Any = meter_logger(meter)(None, 0)
    logger.log_engine_initialized()
    logger.record(SchedulerStats(num_running_reqs=3, num_waiting_reqs=2, kv_cache_usage=0.5), iteration)
    logger.record(scheduler_stats=None, iteration_stats=None, mm_cache_stats=None, engine_idx=0)
    report = reported(101.0)
    assert (report.running, report.waiting, report.kv_tokens, report.first_tokens_s) == (3, 2, 500, (0.5,))
    assert report.finished == (
        RequestSample(prompt_tokens=10, cached_tokens=4, output_tokens=5, ttft_s=0.5, tpot_s=0.25),
    )


def test_an_iteration_lasts_from_the_one_before_and_none_begins_in_a_pause(
    meter: ReplicaMeter, reported: Callable[[float], ReplicaReport]
) -> None:
    from vllm.v1.metrics.stats import IterationStats, SchedulerStats

    from raytide.services.engines.vllm.stats import meter_logger

    decoding, beginning = IterationStats(), IterationStats()
    decoding.num_generation_tokens = 4
    beginning.num_generation_tokens, beginning.time_to_first_tokens_iter = 3, [0.1, 0.1]
    beginning.prompt_token_stats.computed = 70
    busy, idle = SchedulerStats(num_running_reqs=4, kv_cache_usage=0.5), SchedulerStats()
    logger: Any = meter_logger(meter)(None, 0)
    for scheduler, iteration in (
        (busy, beginning),
        (busy, decoding),
        (busy, None),
        (busy, beginning),
        (idle, decoding),
    ):
        logger.record(scheduler, iteration)
        time.sleep(0.01)
    logger.record(idle, decoding)
    ran = reported(101.0).iterations
    assert (ran.num, ran.sequences, ran.root_sequences, ran.prefill_tokens) == (4, 9.0, 5.0, 70.0)
    assert ran.kv_tokens == 3 * 500
    assert ran.seconds >= 0.04


def test_arrivals_are_counted_where_every_route_hands_over_its_prompt(
    meter: ReplicaMeter, reported: Callable[[float], ReplicaReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vllm import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

    from raytide.services.engines.vllm.metered import MeteredLLM

    assert "self.add_request(" in inspect.getsource(AsyncLLM.generate)

    async def accepted(*args: Any, **_: Any) -> str:
        if "refused" in args:
            raise ValueError("too long")
        return "collector"

    monkeypatch.setattr(AsyncLLM, "add_request", accepted)
    client = object.__new__(MeteredLLM)
    client.meter, client.model_config = meter, argparse.Namespace(is_encoder_decoder=False)
    prompt = {"type": "token", "prompt_token_ids": [1, 2, 3]}

    async def ask() -> None:
        for n in (1, 2):
            assert await client.add_request("id", prompt, SamplingParams(n=n), priority=0) == "collector"
        with pytest.raises(ValueError, match="too long"):
            await client.add_request("refused", prompt, SamplingParams())

    asyncio.run(ask())
    arrived = reported(101.0).arrivals.values()
    assert (sum(each.num for each in arrived), sum(each.prompt_tokens for each in arrived)) == (3, 6)


def test_the_logger_takes_what_vllm_passes() -> None:
    from vllm.v1.metrics.loggers import StatLoggerBase

    from raytide.services.engines.vllm.stats import _MeterLogger

    assert list(inspect.signature(_MeterLogger.record).parameters) == list(
        inspect.signature(StatLoggerBase.record).parameters
    )
    assert not getattr(_MeterLogger, "__abstractmethods__", frozenset())


def test_server_arguments_are_vllms_defaults_with_the_services_own_set() -> None:
    from raytide.services.engines.vllm.engine import server_args

    args = server_args(SETTINGS)
    assert (args.model, args.served_model_name, args.max_num_seqs) == ("/models/chat", ["chat"], 4)
    assert args.tensor_parallel_size == 1


def test_adapters_are_models_of_their_own_beside_the_one_they_adapt() -> None:
    from raytide.services.engines.vllm.engine import server_args

    args = server_args(SETTINGS.model_copy(update={"adapters": {"chat-sql": "/adapters/sql"}}))
    assert args.enable_lora
    (adapter,) = args.lora_modules
    assert (adapter.name, adapter.path) == ("chat-sql", "/adapters/sql")
    assert args.served_model_name == ["chat"]


def test_a_replica_that_spans_nodes_is_what_vllms_ray_executor_wants() -> None:
    """One accelerator to a bundle: this is vLLM's own check of a placement group."""
    from vllm.v1.executor import ray_utils

    source = inspect.getsource(ray_utils.initialize_ray_cluster)
    assert "get_current_placement_group" in source
    assert "cannot have more than 1" in source


def test_an_unknown_engine_argument_is_refused_with_a_hint() -> None:
    from raytide.services.engines.vllm.engine import server_args

    typo = SETTINGS.model_copy(update={"args": {"max_num_seq": 4}})
    with pytest.raises(RaytideError) as raised:
        server_args(typo)
    assert str(raised.value) == (
        "spec.engine.args.max_num_seq: vLLM has no such engine argument, did you mean 'max_num_seqs'?"
    )


def test_a_folder_without_a_model_is_refused_before_vllm_sees_it(tmp_path: Any, meter: ReplicaMeter) -> None:
    from raytide.services.engines.vllm.engine import start

    with pytest.raises(RaytideError, match=r"holds no model \(no config.json\): train one"):
        start(SETTINGS.model_copy(update={"model_path": str(tmp_path)}), meter)

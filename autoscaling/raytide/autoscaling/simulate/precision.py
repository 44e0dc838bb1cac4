"""The precision in which an engine keeps weights and KV cache, read from its arguments and the model's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from raytide.core.catalog import Precision
from raytide.core.spec.service import Service

_WORDS: Final[dict[str, Precision]] = {
    "float32": "fp32",
    "float": "fp32",
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "fp8": "fp8",
    "int8": "int8",
    "awq": "int4",
    "awq_marlin": "int4",
    "gptq": "int4",
    "gptq_marlin": "int4",
    "int4": "int4",
    "mxfp4": "fp4",
    "nvfp4": "fp4",
    "fp4": "fp4",
}
"""vLLM's words for `dtype` and `quantization`, and those that repositories end their names with."""


def precision_of(service: Service) -> Precision:
    """Of the weights: what `quantization` says, else the model's name, else `dtype`; bf16 where nothing does."""
    args = service.spec.engine.args
    quantised = _WORDS.get(str(args.get("quantization", "")).casefold())
    return quantised or _in_name(service.spec.model.source) or _WORDS.get(str(args.get("dtype", "")), "bf16")


def kv_precision_of(args: Mapping[str, Any]) -> Precision:
    """Of the KV cache, as `kv_cache_dtype` says; vLLM has 16 bits and kinds of FP8."""
    return "fp8" if str(args.get("kv_cache_dtype", "")).startswith("fp8") else "bf16"


def _in_name(source: str) -> Precision | None:
    words = re.split(r"[-_/]", source.casefold())
    found = [_WORDS[word] for word in words if word in _WORDS]
    return found[-1] if found else None

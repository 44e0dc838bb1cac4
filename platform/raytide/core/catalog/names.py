"""The models of the package's own data, and the many names under which people know them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from raytide.core.catalog.config import shape_of
from raytide.core.catalog.models import ModelShape

# What repositories append to the name of a model whose shape stays the same.
_SAME_SHAPE: Final = re.compile(
    r"[-_](instruct|chat|base|hf|it|fp8|nvfp4|mxfp4|fp4|awq|gptq|int4|int8|\d{4}|v\d+(\.\d+)?)$"
)
_ALIASES: Final = {
    "llama-3.3-70b": "llama-3.1-70b",
    "llama-3-8b": "llama-3.1-8b",
    "llama-3-70b": "llama-3.1-70b",
    "deepseek-r1": "deepseek-v3",
    "deepseek-v3.1": "deepseek-v3",
    "gpt-3": "gpt-3-175b",
    "gpt3": "gpt-3-175b",
}
"""Models of the same shape as another: Llama-3-8B and -70B differ from 3.1 only in the length of their context."""


@cache
def known_models() -> Mapping[str, ModelShape]:
    """Every model of the package's own data, by name."""
    text = files("raytide.core.catalog").joinpath("data/models.toml").read_text("utf-8")
    tables = tomllib.loads(text)
    return MappingProxyType({name: shape_of(name, facts, facts["source"]) for name, facts in tables.items()})


def find_model(name: str, models: Mapping[str, ModelShape]) -> ModelShape | None:
    """The model that a name means, whichever organisation and fine-tuning it carries: `Qwen/Qwen3-32B-FP8`."""
    known = {key.casefold(): shape for key, shape in models.items()}
    word = name.rsplit("/", 1)[-1].casefold().replace("meta-llama-", "llama-")
    while True:
        word = _ALIASES.get(word, word)
        if word in known:
            return known[word]
        shorter = _SAME_SHAPE.sub("", word)
        if shorter == word:
            return None
        word = shorter

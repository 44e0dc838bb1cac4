"""A Hugging Face config.json as a model's shape, with parameters counted from it.

What is small beside the matrices (norms, biases, rotary tables) is left out, which keeps the counts within 2 % of the
published ones. Not for models whose layers are no transformer blocks (state spaces, convolutions).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raytide.core.catalog.errors import CatalogError
from raytide.core.catalog.models import ModelShape

Config = Mapping[str, Any]


def read_shape(path: Path) -> ModelShape:
    """The shape that a config.json describes, or the one in a model's folder.

    Raises:
        CatalogError: There is no such file, it is no JSON, or a fact is missing from it.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        config = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CatalogError(f"{file}: no such file; name a Hugging Face config.json or the folder with it") from error
    except (OSError, ValueError) as error:
        raise CatalogError(f"{file}: cannot be read as JSON: {error}") from error
    return shape_of(file.resolve().parent.name, config, str(file))


def shape_of(name: str, config: Config, source: str) -> ModelShape:
    """The shape that a config describes; `source` is named where something is missing from it.

    Raises:
        CatalogError: A fact is missing from the config, or is no positive number.
    """
    text = _text(config)
    facts = _Facts(text, source)
    layers, hidden = facts("num_hidden_layers"), facts("hidden_size")
    heads = facts("num_attention_heads")
    kv_heads = facts.get("num_key_value_heads", heads)
    if heads > hidden:
        raise CatalogError(f"{source}: hidden_size is {hidden} and num_attention_heads {heads}; no head is that narrow")
    head_dim = facts.get("head_dim", hidden // heads)
    kv_layers = layers - _sliding_layers(text, facts)
    if kv_layers <= 0:
        raise CatalogError(f"{source}: no layer sees more than a window; a cache that does not grow is not modelled")
    experts = _first(facts, ("num_local_experts", "num_experts", "n_routed_experts"))
    per_token = facts("num_experts_per_tok") if experts else 0
    expert = 3 * hidden * facts.get("moe_intermediate_size", facts("intermediate_size"))
    moe_layers = layers - facts.get("first_k_dense_replace", 0) if experts else 0
    expert_parameters = float(moe_layers * experts * expert)
    embedding = facts("vocab_size") * hidden
    tied = bool(text.get("tie_word_embeddings", False))
    always = (
        embedding
        + layers * _attention(facts, hidden, heads, kv_heads, head_dim)
        + (layers - moe_layers) * 3 * hidden * facts("intermediate_size")
        + moe_layers * (facts.get("n_shared_experts", 0) * expert + experts * hidden)
    )
    parameters = _published(text, source, always + expert_parameters + (0 if tied else embedding))
    active = parameters - expert_parameters - (0 if tied else embedding) + moe_layers * per_token * expert
    return ModelShape(
        name=name,
        parameters=parameters,
        active_parameters=active,
        layers=layers,
        kv_layers=kv_layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        kv_values_per_layer=_kv_values(facts, kv_heads, head_dim),
        is_latent="kv_lora_rank" in text,
        experts=experts,
        experts_per_token=per_token,
        expert_parameters=expert_parameters,
        source=source,
    )


class _Facts:
    """The positive whole numbers of a config, each required where it is called for."""

    def __init__(self, config: Config, source: str) -> None:
        self._config, self._source = config, source

    def __call__(self, key: str) -> int:
        value = self._config.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            got = "is missing" if value is None else f"is {value!r}"
            raise CatalogError(f"{self._source}: {key} {got}; a positive whole number is needed")
        return value

    def get(self, key: str, default: int) -> int:
        return default if not self._config.get(key) else self(key)


def _text(config: object) -> Config:
    """The part about text of a model that also sees, which alone fills the KV cache; else all of it."""
    found = (config.get("text_config") or config) if isinstance(config, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _published(config: Config, source: str, counted: float) -> float:
    """Parameters as the config says them, else as they were counted."""
    value = config.get("parameters", counted)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise CatalogError(f"{source}: parameters is {value!r}; a number above 0 is needed")
    return float(value)


def _first(facts: _Facts, keys: tuple[str, ...]) -> int:
    return next((found for key in keys if (found := facts.get(key, 0))), 0)


def _attention(facts: _Facts, hidden: int, heads: int, kv_heads: int, head_dim: int) -> int:
    """Parameters of one attention block."""
    latent = facts.get("kv_lora_rank", 0)
    if not latent:
        return 2 * hidden * heads * head_dim + 2 * hidden * kv_heads * head_dim
    nope, rope, values = facts("qk_nope_head_dim"), facts("qk_rope_head_dim"), facts("v_head_dim")
    rank = facts.get("q_lora_rank", 0)
    queries = (hidden + heads * (nope + rope)) * rank if rank else hidden * heads * (nope + rope)
    return queries + hidden * (latent + rope) + latent * heads * (nope + values) + heads * values * hidden


def _kv_values(facts: _Facts, kv_heads: int, head_dim: int) -> int:
    latent = facts.get("kv_lora_rank", 0)
    return latent + facts("qk_rope_head_dim") if latent else 2 * kv_heads * head_dim


def _sliding_layers(config: Config, facts: _Facts) -> int:
    """Layers that see only a window; a window of every layer that is switched off counts for none."""
    if not config.get("sliding_window") or config.get("use_sliding_window") is False:
        return 0
    kinds = config.get("layer_types")
    if isinstance(kinds, list):
        return sum(kind == "sliding_attention" for kind in kinds)
    return facts.get("num_sliding_layers", 0)

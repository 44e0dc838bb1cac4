"""The shape of a model: how many parameters it has, and how much KV cache a token takes."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.core.catalog.precision import Precision, bytes_per_value


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """What memory and arithmetic one model takes."""

    name: str
    parameters: float
    active_parameters: float
    """Multiplied with every token: without the input embedding and without the experts that a token skips."""
    layers: int
    kv_layers: int
    """Layers whose KV cache grows with the context; layers of a sliding window hold a fixed amount."""
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    kv_values_per_layer: int
    """Numbers that one token leaves in one layer's cache: keys and values, or the latent that stands for both."""
    is_latent: bool = False
    """Whether the cache is a latent (MLA), which every accelerator of a tensor-parallel group needs whole."""
    experts: int = 0
    """Routed experts in a layer; 0 for a dense model."""
    experts_per_token: int = 0
    expert_parameters: float = 0.0
    """Parameters of all routed experts together."""
    source: str

    def weights_bytes(self, precision: Precision) -> float:
        """Bytes of all parameters."""
        return self.parameters * bytes_per_value(precision)

    def kv_bytes_per_token(self, precision: Precision = "bf16") -> float:
        """Bytes of KV cache that one token of context takes, over all layers."""
        return self.kv_values_per_layer * self.kv_layers * bytes_per_value(precision)

    def kv_shards(self, tensor_parallel: int) -> int:
        """Into how many distinct parts a tensor-parallel group splits the KV cache; the rest are copies."""
        return 1 if self.is_latent else min(tensor_parallel, self.kv_heads)


def assumed_shape(parameters: float) -> ModelShape:
    """A dense model of this many parameters, in the proportions of today's models, where only the count is known.

    Hidden size is 112 times the number of layers (between 102 of Llama-3.1-70B and 130 of Llama-3.1-405B), heads are
    128 wide, and 8 of them hold keys and values; 12 parameters for each layer and squared hidden unit
    (Kaplan et al. 2020).
    """
    hidden = max(128, 128 * round((parameters * 112 / 12) ** (1 / 3) / 128))
    layers = max(1, round(parameters / (12 * hidden**2)))
    heads = hidden // 128
    return ModelShape(
        name=f"a dense model of {parameters / 1e9:g}B parameters",
        parameters=parameters,
        active_parameters=parameters,
        layers=layers,
        kv_layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=min(8, heads),
        head_dim=128,
        kv_values_per_layer=2 * min(8, heads) * 128,
        source="assumed from the number of parameters",
    )

"""How many bytes a number takes in each precision, and which precision computes it."""

from __future__ import annotations

from typing import Final, Literal, get_args

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4", "int4"]

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

_FOUR_BITS: Final = 4.5 / 8
"""Bytes of a 4-bit weight with its scale: 8 bits for each block of 16 (NVFP4), or 16 bits for each 32 (INT4)."""

_BYTES: Final[dict[Precision, float]] = {
    "fp32": 4.0,
    "tf32": 4.0,
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp4": _FOUR_BITS,
    "int4": _FOUR_BITS,
}

COMPUTES_IN: Final[dict[Precision, tuple[Precision, ...]]] = {
    "fp32": ("fp32",),
    "tf32": ("tf32", "fp32"),
    "fp16": ("fp16",),
    "bf16": ("bf16", "fp16"),
    "fp8": ("fp8", "bf16", "fp16"),
    "int8": ("int8", "bf16", "fp16"),
    "fp4": ("fp4", "fp8", "bf16", "fp16"),
    "int4": ("bf16", "fp16"),
}
"""The precisions that weights of a precision are multiplied in, the fastest first: what a chip lacks is widened.
4-bit integers are always widened, because the kernels that serve them multiply in 16 bits."""


def bytes_per_value(precision: Precision) -> float:
    """Bytes of one number, with its share of a block's scale."""
    return _BYTES[precision]

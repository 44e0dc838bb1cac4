"""The corpus in parts: what one task reads. They depend on the corpus alone, never on the cluster."""

from __future__ import annotations

from typing import Final

from raytide.jobs.preprocess.corpus import Listing

_PARTS: Final = 32
_LEAST_BYTES: Final = 256 << 10
_MOST_BYTES: Final = 64 << 20


def parts(listing: Listing) -> list[tuple[str, ...]]:
    """Neighbouring files, together about a 32nd of the corpus, between 256 KiB and 64 MiB, or one larger file."""
    size = min(max(listing.num_bytes // _PARTS, _LEAST_BYTES), _MOST_BYTES)
    result: list[list[str]] = []
    filled = size
    for path, num_bytes in zip(listing.files, listing.sizes, strict=True):
        if filled >= size:
            result.append([])
            filled = 0
        result[-1].append(path)
        filled += num_bytes
    return [tuple(part) for part in result]

from __future__ import annotations

import pytest

from raytide.autoscaling.capacity import Capacity, CapacityPoint


@pytest.fixture(scope="session")
def capacity() -> Capacity:
    """100 tokens/s alone, 200 with four sequences, 250 with sixteen; 1,000 prompt tokens/s."""
    points = (
        CapacityPoint(concurrency=1, tpot_s=0.01, output_tokens_per_s=100.0),
        CapacityPoint(concurrency=4, tpot_s=0.02, output_tokens_per_s=200.0),
        CapacityPoint(concurrency=16, tpot_s=0.064, output_tokens_per_s=250.0),
    )
    return Capacity(prefill_tokens_per_s=1000.0, points=points)

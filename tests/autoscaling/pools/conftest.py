"""`pool_of`: nodes of eight H100s, up to four of them, unless said otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.core.spec.cluster import Pool


@pytest.fixture(scope="session")
def pool_of() -> Callable[..., Pool]:
    def make(name: str = "h100", **said: Any) -> Pool:
        known = {
            "accelerator": "H100",
            "gpus_per_node": 8,
            "cpus_per_node": 64,
            "memory_per_node": "1TiB",
            "price": "$20/h",
            "max_nodes": 4,
        }
        return Pool.model_validate({"name": name, **known, **said})

    return make

from __future__ import annotations

from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.services.engines.memory import ENGINE_BYTES, EngineDoesNotFit, require_host_memory, weight_bytes

GIB = 2**30


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(24))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_only_weight_files_count(model: Path) -> None:
    assert weight_bytes(model) == 1024
    assert weight_bytes(model / "nothing here") == 0


def test_an_engine_that_just_fits_starts(model: Path) -> None:
    require_host_memory(model, kv_cache_bytes=GIB, available_bytes=1024 + GIB + ENGINE_BYTES)


def test_a_byte_too_little_is_said_with_what_to_reduce(model: Path) -> None:
    with pytest.raises(EngineDoesNotFit) as raised:
        require_host_memory(model, kv_cache_bytes=2 * GIB, available_bytes=1023 + 2 * GIB + ENGINE_BYTES)
    assert isinstance(raised.value, RaytideError)
    assert str(raised.value).startswith("the engine needs 3.2GiB of memory and 3.2GiB are free on its node: lower")

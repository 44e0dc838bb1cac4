from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from raytide.services.settings import EngineSettings, RevisionSettings

ENGINE: dict[str, Any] = {"service": "chat", "model_path": "/models/chat"}
REVISION: dict[str, Any] = {
    "revision": "0123abcd",
    "model_version": "chat v3",
    "service": "chat",
    "variants": [{"name": "vllm-cpu", "engine": ENGINE}],
}


def test_an_unknown_key_is_refused_at_each_level() -> None:
    with pytest.raises(ValidationError, match=r"(?m)^num_gpu$"):
        RevisionSettings.model_validate(REVISION | {"num_gpu": 1})
    with pytest.raises(ValidationError, match=r"(?m)^variants\.0\.num_gpu$"):
        RevisionSettings.model_validate(REVISION | {"variants": [{"name": "a", "engine": ENGINE, "num_gpu": 1}]})
    with pytest.raises(ValidationError, match=r"(?m)^variants\.0\.engine\.model$"):
        RevisionSettings.model_validate(REVISION | {"variants": [{"name": "a", "engine": ENGINE | {"model": "x"}}]})


def test_a_service_without_a_variant_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"(?m)^variants$"):
        RevisionSettings.model_validate(REVISION | {"variants": []})


def test_settings_do_not_change_after_reading() -> None:
    settings = EngineSettings.model_validate(ENGINE)
    with pytest.raises(ValidationError, match="frozen"):
        settings.service = "other"


def test_settings_survive_being_passed_on() -> None:
    settings = RevisionSettings.model_validate(REVISION)
    assert RevisionSettings.model_validate(settings.model_dump()) == settings

"""A trained model in the state in which it is judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load_model(folder: Path, untrained_seed: int | None = None) -> Any:
    """An exported model, or its adapter on its base, or the model before training where its seed is given."""
    import torch

    model = _read(folder) if untrained_seed is None else _untrained(folder, untrained_seed)
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _read(folder: Path) -> Any:
    from raytide.jobs.train.model import loaded

    if not (folder / "adapter_config.json").is_file():
        return loaded(folder)
    from peft import PeftModel

    base = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    return PeftModel.from_pretrained(loaded(Path(base)), str(folder))


def _untrained(folder: Path, seed: int) -> Any:
    from transformers import AutoConfig

    from raytide.jobs.train.model import new_model

    return new_model(AutoConfig.from_pretrained(folder), seed)

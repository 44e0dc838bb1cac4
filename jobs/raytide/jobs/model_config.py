"""What a model's `config.json` says of its sizes; models of several modalities keep those of text apart."""

from __future__ import annotations

from pathlib import Path

from raytide.jobs.json_file import read_object


def vocabulary_rows(folder: Path) -> int | None:
    """How many tokens the model of a folder knows; None where nothing says so."""
    return _number(folder, "vocab_size")


def num_positions(folder: Path) -> int | None:
    """How many tokens the model of a folder can see at once; None where nothing says so."""
    return _number(folder, "max_position_embeddings")


def _number(folder: Path, key: str) -> int | None:
    config = read_object(folder / "config.json") or {}
    found = (part.get(key) for part in (config, config.get("text_config")) if isinstance(part, dict))
    return next((value for value in found if isinstance(value, int)), None)

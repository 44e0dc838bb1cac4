"""The model that a run goes on from: its folder, and whether its tokenizer fits."""

from __future__ import annotations

from pathlib import Path

from raytide.core.errors import RaytideError
from raytide.core.home import below_home
from raytide.jobs.model_config import vocabulary_rows


def resolve_start(source: str, named: str = "spec.start") -> Path:
    """The folder of a model, with a registry alias pinned to the version that it names now.

    Raises:
        RaytideError: There is no model, or its tokenizer has tokens that the model does not know.
    """
    folder = _folder(source)
    if not (folder / "config.json").is_file():
        raise RaytideError(
            f"{named}: {folder} holds no model (no config.json); name a run's export folder, another Hugging Face "
            "folder, or registry:NAME@ALIAS."
        )
    _check_vocabulary(folder)
    return folder


def check_same_tokenizer(start: Path, data: Path) -> None:
    """Raises a RaytideError where the data were not made with the tokenizer of the model.

    Equal text would be other tokens to the model, and the run would unlearn what it starts from.
    """
    if _vocabulary(start) != _vocabulary(data / "tokenizer"):
        raise RaytideError(
            f"{data} was made with another tokenizer than that of {start}; preprocess the corpus with the model's "
            "tokenizer, or leave spec.start out to train a new model."
        )


def _folder(source: str) -> Path:
    if source.startswith("registry:"):
        from raytide.jobs.registry import resolve

        return resolve(source).path
    return below_home(source)


def _check_vocabulary(folder: Path) -> None:
    rows = vocabulary_rows(folder)
    highest = max(_vocabulary(folder).values(), default=-1)
    if rows is not None and highest >= rows:
        raise RaytideError(
            f"The tokenizer in {folder} does not match the model: it has token {highest}, and the model knows {rows}."
        )


def _vocabulary(folder: Path) -> dict[str, int]:
    """Tokens by text; empty for a tokenizer in another format than `tokenizer.json`."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file():
        return {}
    try:
        vocabulary: dict[str, int] = Tokenizer.from_file(str(file)).get_vocab()
    except Exception as error:  # the library raises no narrower class
        raise RaytideError(f"{file} is no tokenizer ({error}).") from error
    return vocabulary

"""A tokenizer that exists, taken over with what says how it is used, or refused in a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from raytide.core.errors import RaytideError
from raytide.jobs.json_file import read_object
from raytide.jobs.model_config import vocabulary_rows

_TAKEN: Final = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def adopt_tokenizer(source: Path, folder: Path) -> None:
    """Copies the tokenizer's files.

    Raises:
        RaytideError: They are missing or damaged, or they do not belong together.
    """
    check_tokenizer(source)
    folder.mkdir(exist_ok=True)
    for name in _TAKEN:
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)


def check_tokenizer(source: Path) -> None:
    """Returns where the folder holds a tokenizer that documents can be tokenized with.

    Raises:
        RaytideError: It does not.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    except Exception as error:  # the library raises Exception itself
        raise _refused(source, f"its tokenizer.json cannot be read: {error}") from error
    eos = special_token(source, "eos_token")
    if eos is None or tokenizer.token_to_id(eos) is None:
        raise _refused(source, f"its tokenizer.json does not know the eos_token of its tokenizer_config.json ({eos})")
    highest, room = max(tokenizer.get_vocab().values(), default=-1), vocabulary_rows(source)
    if room is not None and highest >= room:
        raise _refused(source, f"it has token {highest}, and the model of its config.json knows {room}")


def special_token(folder: Path, role: str) -> str | None:
    """The token of a role (`eos_token`, `unk_token`), which may be written as text or as an object."""
    token = (read_object(folder / "tokenizer_config.json") or {}).get(role)
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else None


def _refused(source: Path, why: str) -> RaytideError:
    return RaytideError(f"The tokenizer in {source} cannot be used: {why}; correct spec.tokenizer.existing.")

import json
from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.jobs.preprocess.adopt import adopt_tokenizer, check_tokenizer, special_token


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from tokenizers import Tokenizer, models

    (tmp_path / "model").mkdir()
    vocabulary = {"<eos>": 0, "<unk>": 1, "tide": 2}
    Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")).save(str(tmp_path / "model" / "tokenizer.json"))
    configured(tmp_path / "model", eos_token="<eos>")
    return tmp_path / "model"


def configured(folder: Path, **config: object) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def test_what_says_how_a_tokenizer_is_used_comes_along(folder: Path, tmp_path: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "model.safetensors").write_text("not this")
    adopt_tokenizer(folder, tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        "chat_template.jinja",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_a_token_may_be_written_as_an_object(folder: Path) -> None:
    configured(folder, eos_token={"content": "<eos>", "lstrip": False})
    assert special_token(folder, "eos_token") == "<eos>"
    check_tokenizer(folder)


def test_a_tokenizer_that_does_not_end_documents_is_refused(folder: Path) -> None:
    for config in ({}, {"eos_token": "</s>"}):
        configured(folder, **config)
        with pytest.raises(RaytideError, match="does not know the eos_token"):
            check_tokenizer(folder)


def test_a_tokenizer_that_the_model_beside_it_has_no_room_for_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"vocab_size": 2}')
    with pytest.raises(RaytideError, match=r"has token 2, and the model .* knows 2"):
        check_tokenizer(folder)


def test_a_damaged_or_missing_tokenizer_is_a_sentence(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    for path in (folder, folder / "missing"):
        with pytest.raises(RaytideError, match=r"cannot be read.*correct spec\.tokenizer\.existing"):
            check_tokenizer(path)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "config.json"])
def test_damaged_words_about_a_tokenizer_are_a_sentence(folder: Path, name: str) -> None:
    for content in ("{", "[1]"):
        (folder / name).write_text(content)
        with pytest.raises(RaytideError, match=name):
            check_tokenizer(folder)

import json
from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.jobs.model_config import num_positions
from raytide.jobs.train.start import check_same_tokenizer, resolve_start


def tokenizer(folder: Path, *tokens: str) -> None:
    from tokenizers import Tokenizer, models

    folder.mkdir(parents=True, exist_ok=True)
    Tokenizer(models.WordLevel({token: at for at, token in enumerate(tokens)}, unk_token=tokens[0])).save(
        str(folder / "tokenizer.json")
    )


def model(folder: Path, rows: int, *tokens: str) -> Path:
    tokenizer(folder, *tokens)
    (folder / "config.json").write_text(json.dumps({"vocab_size": rows}))
    return folder


def test_a_model_may_have_more_rows_than_its_tokenizer_has_tokens(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", 8, "a", "b", "c")
    assert resolve_start(str(folder)) == folder


def test_a_tokenizer_that_does_not_match_the_model_is_refused_with_both_numbers(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", 2, "a", "b", "c")
    with pytest.raises(RaytideError, match="does not match the model: it has token 2, and the model knows 2"):
        resolve_start(str(folder))


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RaytideError, match=r"no config\.json"):
        resolve_start(str(tmp_path))


@pytest.mark.parametrize("config", ['{"vocab_size":', "[3]"])
def test_a_damaged_configuration_is_one_sentence(tmp_path: Path, config: str) -> None:
    folder = model(tmp_path / "model", 8, "a")
    (folder / "config.json").write_text(config)
    with pytest.raises(RaytideError, match=r"config\.json"):
        resolve_start(str(folder))


def test_data_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", 8, "a", "b", "c")
    tokenizer(tmp_path / "same" / "tokenizer", "a", "b", "c")
    tokenizer(tmp_path / "other" / "tokenizer", "b", "a", "c")
    check_same_tokenizer(folder, tmp_path / "same")
    with pytest.raises(RaytideError, match="another tokenizer"):
        check_same_tokenizer(folder, tmp_path / "other")


def test_how_far_a_model_sees_is_in_its_configuration(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", 8, "a")
    assert num_positions(folder) is None
    (folder / "config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 64}}))
    assert num_positions(folder) == 64

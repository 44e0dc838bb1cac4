from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core.errors import RaytideError
from raytide.jobs.infer.answers import Gathering, counted, write_answers
from raytide.jobs.infer.prompts import Shard, fingerprint, input_files, prompts_of, shards_of


def lines(file: Path, prompts: list[object]) -> Path:
    file.write_text("".join(f"{json.dumps({'prompt': prompt})}\n\n" for prompt in prompts))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five prompts of lines, seven of Parquet, and a file that is none of both."""
    lines(tmp_path / "a.jsonl", [f"a{number}" for number in range(5)])
    table = pa.table({"id": range(7), "prompt": [f"b{number}" for number in range(7)]})
    pq.write_table(table, tmp_path / "b.parquet", row_group_size=2)
    (tmp_path / "README").write_text("not data")
    return tmp_path


@pytest.mark.parametrize("rows_per_shard", [1, 2, 3, 5, 100])
def test_shards_hold_every_prompt_once_in_order_and_none_spans_files(folder: Path, rows_per_shard: int) -> None:
    shards = shards_of(input_files(folder), rows_per_shard)
    read = [row for shard in shards for row in prompts_of(shard, "prompt")]
    assert [row["prompt"] for row in read] == [f"a{n}" for n in range(5)] + [f"b{n}" for n in range(7)]
    assert [row["row"] for row in read] == list(range(12))
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert max(shard.rows for shard in shards) <= rows_per_shard


def test_what_the_files_hold_is_what_counts(folder: Path) -> None:
    before = fingerprint(input_files(folder))
    (folder / "a.jsonl").rename(folder / "aa.jsonl")
    assert fingerprint(input_files(folder)) == before
    lines(folder / "aa.jsonl", ["other"])
    assert fingerprint(input_files(folder)) != before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "holds no row"),
        ('{"prompt": "a"}\n{"prompt": ""}\n', "row 2 has no text in 'prompt'"),
        ('{"prompt": "a"}\n{"text": "b"}\n', "row 2 has no text"),
        ('{"prompt": "a"}\n[1]\n', "row 2 has no text"),
        ('{"prompt": "a"}\n{"prompt": 7}\n', "row 2 has no text"),
        ('{"prompt": "a"}\nplain\n', "row 2 has no text"),
    ],
)
def test_a_row_without_a_prompt_is_said_with_its_number(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(RaytideError, match=says):
        prompts_of(shards_of(input_files(tmp_path / "a.jsonl"), 10)[0], "prompt")


@pytest.mark.parametrize("blank", ["\r", "\x0c", "\u2028"])
def test_rows_are_read_as_they_are_counted(tmp_path: Path, blank: str) -> None:
    """Or a shard would hold other rows than its own, and never be complete."""
    (tmp_path / "a.jsonl").write_bytes(f'\ufeff{{"prompt":\r"a"}}\r\n{blank}\n{{"prompt": "b"}}\n'.encode())
    shards = shards_of((tmp_path / "a.jsonl",), 1)
    assert prompts_of(shards[0], "prompt") == [{"shard": 0, "row": 0, "prompt": "a"}]
    assert prompts_of(shards[-1], "prompt")[0]["prompt"] == "b"


def test_bytes_that_are_no_text_are_said_with_their_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"prompt": "a"}\n{"prompt": "\xff"}\n')
    (shard,) = shards_of((tmp_path / "a.jsonl",), 10)
    with pytest.raises(RaytideError, match="row 2 has no text"):
        prompts_of(shard, "prompt")


def test_rows_that_are_gone_since_they_were_counted_are_said(tmp_path: Path) -> None:
    (shard,) = shards_of((lines(tmp_path / "a.jsonl", ["a", "b"]),), 10)
    lines(shard.file, ["a"])
    with pytest.raises(RaytideError, match="has lost rows since the job began"):
        prompts_of(shard, "prompt")


def test_a_missing_column_is_said_with_those_that_there_are(folder: Path) -> None:
    (shard,) = shards_of(input_files(folder / "b.parquet"), 10)
    with pytest.raises(RaytideError, match="no column 'text', but id, prompt"):
        prompts_of(shard, "text")


def test_damaged_files_and_empty_folders_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RaytideError, match=r"No .parquet or .jsonl file"):
        input_files(tmp_path)
    (tmp_path / "a.parquet").write_text("no Parquet")
    with pytest.raises(RaytideError, match="cannot be read"):
        shards_of(input_files(tmp_path), 10)


def answer(shard: int, row: int, error: str | None = None) -> dict[str, object]:
    counts = {"prompt_tokens": None if error else 3, "output_tokens": None if error else 5}
    return {"shard": shard, "row": row, "prompt": f"p{row}", "answer": None if error else "a", "error": error} | counts


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.randoms())
def test_whatever_the_order_of_answers_each_shard_is_complete_once_and_in_order(sizes: list[int], random) -> None:  # type: ignore[no-untyped-def]
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    shards = {
        number: Shard(number=number, file=Path("x.jsonl"), start=0, rows=rows, first=starts[number])
        for number, rows in enumerate(sizes)
    }
    answers = [answer(number, starts[number] + at) for number, rows in enumerate(sizes) for at in range(rows)]
    random.shuffle(answers)
    gathering = Gathering(shards)
    complete = [done for one in answers if (done := gathering.add(one)) is not None]
    assert sorted(shard.number for shard, _ in complete) == list(shards)
    assert gathering.rows == {}
    for shard, rows in complete:
        assert [row["row"] for row in rows] == list(range(shard.first, shard.first + shard.rows))


def test_rows_without_an_answer_are_counted_and_keep_their_reason(tmp_path: Path) -> None:
    file = tmp_path / "shard-000000.parquet"
    write_answers(file, [answer(0, 0), answer(0, 1, "ValueError: longer than the context"), answer(0, 2)])
    assert counted([file]) == {"rows": 3, "failed": 1, "prompt_tokens": 6, "output_tokens": 10}
    assert pq.read_table(file)["error"].to_pylist() == [None, "ValueError: longer than the context", None]
    assert [path.name for path in tmp_path.iterdir()] == ["shard-000000.parquet"]

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from raytide.core.errors import RaytideError, RunFailed
from raytide.core.spec.infer import InferSpec
from raytide.jobs.artefact import write_json
from raytide.jobs.infer import run as job
from raytide.jobs.infer.answers import write_answers
from raytide.jobs.infer.engines import request
from raytide.jobs.infer.prompts import Shard, prompts_of
from raytide.jobs.infer.run import manifest, run

ROW = {"row": 0, "prompt": "p", "answer": "a", "prompt_tokens": 400, "output_tokens": 600, "error": None}


def spec(price: float | None = None, **values: object) -> InferSpec:
    return InferSpec(task="infer", model="m", input="i", output="o").model_copy(update={"price": price, **values})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_answers(tmp_path / "shard-000000.parquet", [ROW, {**ROW, "row": 1}])
    write_json(tmp_path / "spent.json", {"engine_s": 180.0})
    return tmp_path


def test_cost_is_of_the_engine_time_of_all_tries_and_of_all_tokens(folder: Path) -> None:
    written = manifest(spec(price=2.0), {}, folder)
    assert (written["rows"], written["prompt_tokens"], written["output_tokens"]) == (2, 800, 1200)
    assert written["usd"] == pytest.approx(0.1)
    assert written["usd_per_million_tokens"] == pytest.approx(50.0)
    assert written["tokens_per_s"] == pytest.approx(11.1)


def test_what_costs_nothing_known_has_no_price(folder: Path) -> None:
    written = manifest(spec(), {}, folder)
    assert (written["usd"], written["usd_per_million_tokens"]) == (None, None)


def test_the_hash_is_of_the_answers_alone(folder: Path) -> None:
    before = manifest(spec(), {}, folder)["answers_hash"]
    write_json(folder / "spent.json", {"engine_s": 1.0})
    assert manifest(spec(), {}, folder)["answers_hash"] == before
    write_answers(folder / "shard-000000.parquet", [{**ROW, "answer": "b"}])
    assert manifest(spec(), {}, folder)["answers_hash"] != before


def test_a_row_is_sampled_by_its_own_seed_and_asked_as_the_job_says() -> None:
    row = {"shard": 2, "row": 7, "prompt": "Why?"}
    plain = request(spec(seed=10, temperature=0.7), row)
    assert plain["sampling_params"] == {"max_tokens": 256, "temperature": 0.7, "seed": 17}
    assert (plain["prompt"], plain["asked"], plain["shard"], plain["row"]) == ("Why?", "Why?", 2, 7)
    chat = request(spec(prompt="chat"), row)
    assert chat["messages"] == [{"role": "user", "content": "Why?"}]
    assert "prompt" not in chat


class Killed(BaseException):
    """The job's process is gone."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage folder with six prompts, and no cluster."""
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    monkeypatch.setattr(job, "connected", nullcontext)
    monkeypatch.setattr(job, "resolve_start", lambda source, named: tmp_path / "m")
    (tmp_path / "m").mkdir()
    (tmp_path / "i.jsonl").write_text("".join(f'{{"prompt": "p{row}"}}\n' for row in range(6)))
    return tmp_path


def engine(asked: list[int], stops_after: int, error: BaseException | None) -> Callable[..., Iterator[dict[str, Any]]]:
    """Notes which rows it was asked for."""

    def answers(_spec: InferSpec, _model: Path, shards: list[Shard]) -> Iterator[dict[str, Any]]:
        rows = [row for shard in shards for row in prompts_of(shard, "prompt")]
        for row in rows[:stops_after]:
            asked.append(row["row"])
            yield {**ROW, **row}
        if error is not None and stops_after < len(rows):
            raise error

    return answers


def test_a_killed_job_answers_only_the_shards_that_are_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    declared = spec(input="i.jsonl", rows_per_shard=2, price=1.0)
    monkeypatch.setattr(job, "answers", engine(asked, 3, Killed()))
    with pytest.raises(Killed):
        run(declared)
    assert not (place / "o").exists()
    monkeypatch.setattr(job, "answers", engine(asked, 6, None))
    run(declared)
    assert asked == [0, 1, 2, 2, 3, 4, 5], "the first shard was complete, the second one was not"
    assert [path.name for path in sorted((place / "o").iterdir())] == [
        "manifest.json",
        "shard-000000.parquet",
        "shard-000001.parquet",
        "shard-000002.parquet",
    ]
    run(declared)
    assert len(asked) == 7
    with pytest.raises(RaytideError, match="max_tokens: 256, now 9"):
        run(declared.model_copy(update={"max_tokens": 9}))


def test_a_job_that_is_killed_at_any_write_goes_on_from_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One write later in each round; the last round is not killed any more."""
    for survives in range(10):
        asked: list[int] = []
        shutil.rmtree(place / "o", ignore_errors=True)
        monkeypatch.setattr(job, "answers", engine(asked, 6, None))
        with monkeypatch.context() as dying:
            left = iter(range(survives))
            for name in ("write_json", "write_answers"):
                dying.setattr(job, name, killing(getattr(job, name), left))
            with suppress(Killed):
                run(spec(input="i.jsonl", rows_per_shard=3))
        run(spec(input="i.jsonl", rows_per_shard=3))
        written = json.loads((place / "o" / "manifest.json").read_text())
        assert (written["rows"], written["shards"]) == (6, 2)
        assert written["engine_s"] is not None
        assert not (place / "o" / "spent.json").exists()
    assert asked == [0, 1, 2, 3, 4, 5]


def killing(write: Callable[..., None], left: Iterator[int]) -> Callable[..., None]:
    """The write, and then the end of the process once nothing is left."""

    def writes(*given: Any) -> None:
        write(*given)
        if next(left, None) is None:
            raise Killed

    return writes


def test_answers_that_never_come_are_no_result(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "answers", engine([], 5, None))
    with pytest.raises(RunFailed, match="1 shards are not complete"):
        run(spec(input="i.jsonl", rows_per_shard=2))
    assert not (place / "o").exists()


def test_a_model_that_is_none_is_said_by_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    (tmp_path / "i.jsonl").write_text('{"prompt": "a"}\n')
    with pytest.raises(Exception, match=r"^spec.model: .* holds no model"):
        run(spec(input="i.jsonl"))

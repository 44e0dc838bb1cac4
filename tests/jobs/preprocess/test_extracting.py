import json
from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.core.spec.preprocess import Decontaminate, PreprocessSpec
from raytide.jobs.preprocess import extract as extracting
from raytide.jobs.preprocess.contamination import evaluation_sets, write_ngrams
from raytide.jobs.preprocess.corpus import Listing
from raytide.jobs.preprocess.extract import Extracted, Part, extract
from raytide.jobs.preprocess.parts import parts
from raytide.jobs.preprocess.tally import Tally, report, total

SENTENCE = "The tide rises twice a day and the boats that lie in the harbour rise with it, slowly, number {}.\n"


def spec(**settings: object) -> PreprocessSpec:
    return PreprocessSpec.model_validate({"task": "preprocess", "output": "data/x", **settings})


def extracted(folder: Path, of: PreprocessSpec, *, evaluation: Path | None = None) -> Extracted:
    (folder / "runs").mkdir(exist_ok=True)
    paths = tuple(sorted(path.name for path in folder.glob("*.*")))
    return extract(Part(index=3, root=str(folder), paths=paths), of, folder / "runs", evaluation)


def why(tally: Tally) -> dict[str, int]:
    return {f"{step}:{name}": count for (step, name), count in tally.dropped.items()}


def test_a_part_says_what_became_of_each_of_its_documents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SENTENCE.format(1) + "Ask jane@example.com.\n")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "c.txt").write_text("short")
    (tmp_path / "d.txt").write_text("Das Wasser steigt zweimal am Tag, und die Boote im Hafen steigen mit ihm.")
    rows = [json.dumps({"text": SENTENCE.format(2)}), "no json", json.dumps({"text": 5})]
    (tmp_path / "e.jsonl").write_text("\n".join(rows))
    found = extracted(tmp_path, spec(scrub=["email"], quality={"languages": ["en"]}))
    assert why(found.tally) == {
        "read:undecodable": 1,
        "clean:too_short": 1,
        "language:other_language": 1,
        "read:not_json": 1,
        "read:wrong_type": 1,
    }
    assert found.tally.scrubbed == {"email": 1}
    assert sum(run.num_documents for run in found.runs) == 2
    examples = [example for of_one in found.tally.examples.values() for example in of_one]
    assert any(example.startswith("e.jsonl:2: JSON is malformed") for example in examples)


def test_the_same_part_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SENTENCE.format(1))
    near = spec(near_duplicates={})
    files = []
    for _ in range(2):
        extracted(tmp_path, near)
        files.append({path.name: path.read_bytes() for path in (tmp_path / "runs").iterdir()})
    assert files[0] == files[1]
    assert len(files[0]) == 5


def test_a_part_of_any_size_is_written_in_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracting, "_RUN_CHARS", 250)
    rows = [json.dumps({"text": SENTENCE.format(number)}) for number in range(10)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    found = extracted(tmp_path, spec())
    assert [run.name for run in found.runs] == ["00003-000", "00003-001", "00003-002", "00003-003"]
    assert [run.num_documents for run in found.runs] == [3, 3, 3, 1]


def test_a_document_that_quotes_an_evaluation_set_goes(tmp_path: Path) -> None:
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "questions.txt").write_text(SENTENCE.format("one"))
    (tmp_path / "a.txt").write_text("He wrote:\n" + SENTENCE.format("one").upper() + "and no more.")
    (tmp_path / "b.txt").write_text("The tide rises twice a day and the boats rise with it, more slowly than before.")
    of = spec(decontaminate={"against": [str(tmp_path / "evaluation" / "questions.txt")]})
    assert of.decontaminate
    write_ngrams(of.decontaminate, of.corpus, tmp_path / "evaluation" / "ngrams.npy")
    found = extracted(tmp_path, of, evaluation=tmp_path / "evaluation" / "ngrams.npy")
    assert why(found.tally) == {"contamination:evaluation_text": 1}
    ((example,),) = found.tally.examples.values()
    assert example == "a.txt: 8 runs of 13 words"


def test_an_evaluation_set_that_could_find_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_text("What rises?")
    of = spec(decontaminate={"against": [str(tmp_path)]})
    assert of.decontaminate
    with pytest.raises(RaytideError, match="no text of 13 words"):
        write_ngrams(of.decontaminate, of.corpus, tmp_path / "ngrams.npy")
    with pytest.raises(RaytideError, match=r"cannot be read.*correct spec\.decontaminate\.against"):
        evaluation_sets(Decontaminate(against=(str(tmp_path / "missing"),)), of.corpus)


def test_parts_are_neighbours_of_a_bounded_size() -> None:
    sizes = (300_000, 10, 20, 400_000, 5, 300_000_000)
    listing = Listing(root="", files=tuple("abcdef"), sizes=sizes, fingerprint="")
    assert parts(listing) == [("a", "b", "c", "d", "e", "f")]
    small = Listing(root="", files=tuple("abcde"), sizes=sizes[:5], fingerprint="")
    assert parts(small) == [("a",), ("b", "c", "d"), ("e",)]


def test_a_report_adds_up() -> None:
    whole = total([_tally("a"), _tally("b")])
    steps = report(Tally.of_json(whole.as_json()))
    assert [entry["documents"] for entry in steps] == [18, 12, 10, 10, 10, 10, 10]
    assert [entry["kept"] for entry in steps] == [12, 10, 10, 10, 10, 10, 8]
    assert steps[0]["dropped"] == {"truncated": {"count": 6, "examples": ["a.gz:7: end", "b.gz:7: end"]}}


def _tally(name: str) -> Tally:
    from raytide.jobs.preprocess.tally import Reason

    tally = Tally(kept=4)
    tally.drop(Reason("read", "truncated"), f"{name}.gz:7", "end", rows=3)
    tally.drop(Reason("clean", "too_short"), f"{name}.txt")
    tally.drop(Reason("duplicates", "duplicate"), f"{name}2.txt")
    return tally

import os
from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.core.spec.preprocess import Corpus
from raytide.jobs.preprocess.corpus import list_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.py", "a.py", "deep/c.py", "notes.txt", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x" * 100)
    return tmp_path


def test_files_come_sorted_and_hidden_ones_not_at_all(folder: Path) -> None:
    assert list_files(Corpus(source=str(folder))).files == ("a.py", "b.py", "deep/c.py", "notes.txt")


def test_only_what_a_glob_matches_is_listed(folder: Path) -> None:
    listing = list_files(Corpus(source=str(folder), include=("**/*.py",)))
    assert listing.files == ("a.py", "b.py", "deep/c.py")
    assert listing.num_bytes == 300


def test_a_url_lists_the_same_files_as_its_folder(folder: Path) -> None:
    assert list_files(Corpus(source=f"file://{folder}")).files == list_files(Corpus(source=str(folder))).files


def test_the_size_limit_takes_the_first_files(folder: Path) -> None:
    assert list_files(Corpus.model_validate({"source": str(folder), "max_bytes": "250B"})).files == ("a.py", "b.py")


def test_a_limit_below_the_first_file_is_a_sentence(folder: Path) -> None:
    with pytest.raises(RaytideError, match=r"larger than spec\.corpus\.max_bytes"):
        list_files(Corpus.model_validate({"source": str(folder), "max_bytes": "10B"}))


def test_a_source_may_be_one_file_and_its_name_is_no_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "we[ird]*"
    folder.mkdir()
    for name in ("a[1].txt", "a1.txt"):
        (folder / name).write_text("x")
    for source in (folder / "a[1].txt", f"file://{folder}/a[1].txt"):
        listing = list_files(Corpus(source=str(source)))
        assert (listing.root.removeprefix("file://"), listing.files) == (str(folder), ("a[1].txt",))
    assert list_files(Corpus(source=str(folder))).files == ("a1.txt", "a[1].txt")


def test_a_changed_file_changes_the_fingerprint(folder: Path) -> None:
    before = list_files(Corpus(source=str(folder))).fingerprint
    assert list_files(Corpus(source=str(folder))).fingerprint == before
    os.utime(folder / "a.py", (1, 1))
    assert list_files(Corpus(source=str(folder))).fingerprint != before


def test_the_standard_library_comes_without_tests_and_packages() -> None:
    files = list_files(Corpus()).files
    assert "json/decoder.py" in files
    assert not [path for path in files if "site-packages" in path or "/test/" in path]


@pytest.mark.parametrize(
    ("source", "problem"),
    [("missing", "cannot be read"), ("nope://bucket", "cannot be read"), (".", "no file that matches")],
)
def test_a_corpus_that_is_not_there_is_a_sentence(
    source: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    with pytest.raises(RaytideError, match=problem):
        list_files(Corpus(source=source))

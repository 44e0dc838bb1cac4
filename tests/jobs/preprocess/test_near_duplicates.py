from pathlib import Path

import numpy as np
import pytest

from raytide.core.spec.preprocess import NearDuplicates
from raytide.jobs.preprocess.near import candidates
from raytide.jobs.preprocess.near.minhash import band_keys, signatures, similarity

from .planted import Planted, planted, survivors

SPEC = NearDuplicates()


def test_planted_near_duplicates_go_and_nothing_else(tmp_path: Path) -> None:
    corpus = planted(600, 300, seed=3)
    stay = survivors(corpus, tmp_path, SPEC)
    left = {corpus.family[at] for at in stay}
    gone = len(corpus.texts) - len(stay)
    wrongly = len(set(corpus.family)) - len(left)  # families that lost their last document
    recall, precision = (gone - wrongly) / corpus.surplus, (gone - wrongly) / gone
    assert recall >= 0.95
    assert precision >= 0.98


def test_who_stays_does_not_depend_on_the_cut_into_runs_and_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = planted(60, 30, seed=5)
    whole = survivors(corpus, tmp_path, SPEC)
    monkeypatch.setattr(candidates, "ROWS_AT_ONCE", 70)
    monkeypatch.setattr(candidates, "_PAIRS_AT_ONCE", 50)
    (tmp_path / "cut").mkdir()
    assert survivors(corpus, tmp_path / "cut", SPEC, run_size=29) == whole


def test_equal_documents_go_or_stay_together(tmp_path: Path) -> None:
    corpus = planted(5, 0, seed=1)
    doubled = Planted(corpus.texts * 2, corpus.family * 2)
    assert len(survivors(doubled, tmp_path, SPEC)) == 10


def test_documents_with_too_few_words_are_left_to_exact_deduplication(tmp_path: Path) -> None:
    texts = ["too few words", "too few words here", "", "."]
    assert survivors(Planted(texts, [0, 1, 2, 3]), tmp_path, SPEC) == [0, 1, 2, 3]


def test_a_corpus_without_documents_has_no_duplicates(tmp_path: Path) -> None:
    assert survivors(Planted([], []), tmp_path, SPEC) == []


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.05, 0.1])
def test_signatures_estimate_the_similarity_of_shingles(rate: float) -> None:
    corpus = planted(60, 60, seed=7, rates=(rate,))
    found, _ = signatures(corpus.texts, SPEC)
    estimates = similarity(found[:60], found[60:])
    true = np.array([_jaccard(*corpus.texts[at::60]) for at in range(60)])
    # The mean of 60 estimates, each of 160 functions: three standard errors of a share.
    assert abs((estimates - true).mean()) < 3 * np.sqrt(0.25 / 160 / 60)
    assert np.abs(estimates - true).max() < 5 * np.sqrt(0.25 / 160)


def test_keys_agree_exactly_where_all_rows_of_a_band_do() -> None:
    found, _ = signatures(planted(40, 40, seed=2, rates=(0.03,)).texts, SPEC)
    keys = band_keys(found, SPEC)
    bands = found.reshape(len(found), SPEC.bands, SPEC.rows)
    same_rows = (bands[:40] == bands[40:]).all(axis=2)
    assert (keys[:, :40] == keys[:, 40:]).T.tolist() == same_rows.tolist()
    assert same_rows.any()


def _jaccard(some: str, other: str) -> float:
    one, two = (_shingles(text.split()) for text in (some, other))
    return len(one & two) / len(one | two)


def _shingles(words: list[str]) -> set[tuple[str, ...]]:
    # A replacement is written as x0.123, which is two words.
    words = [part for word in words for part in word.split(".")]
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}

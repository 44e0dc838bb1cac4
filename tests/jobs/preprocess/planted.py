"""A corpus with planted near-duplicates: which document was made from which is known."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from raytide.core.spec.preprocess import NearDuplicates
from raytide.jobs.preprocess.near.candidates import similar_pairs, slices, write_signatures
from raytide.jobs.preprocess.near.clusters import removed
from raytide.jobs.preprocess.split import place

EDIT_RATES = (0.005, 0.01, 0.02)


@dataclass(frozen=True, slots=True)
class Planted:
    texts: list[str]
    family: list[int]
    """Of each document: those of one family were made from one original."""

    @property
    def surplus(self) -> int:
        """How many documents there are beyond one of each family."""
        return len(self.texts) - len(set(self.family))


def planted(originals: int, copied: int, *, seed: int, rates: tuple[float, ...] = EDIT_RATES) -> Planted:
    """Originals of 150 to 600 words, and of the first `copied` one copy at each edit rate: each word is replaced,
    dropped or doubled with that probability.
    """
    rng = random.Random(seed)
    # Zipf's law, as words of a language: originals share their frequent words, and short runs of them.
    vocabulary = [f"w{number}" for number in range(5000)]
    weights = [1 / (rank + 3) for rank in range(5000)]
    bodies = [rng.choices(vocabulary, weights, k=rng.randint(150, 600)) for _ in range(originals)]
    texts, family = [" ".join(body) for body in bodies], list(range(originals))
    for number in range(copied):
        for rate in rates:
            texts.append(" ".join(edited(bodies[number], rate, rng)))
            family.append(number)
    return Planted(texts, family)


def edited(words: list[str], rate: float, rng: random.Random) -> list[str]:
    """The words with about `rate` of them changed."""
    result = []
    for word in words:
        result += rng.choice(([f"x{rng.random()}"], [], [word, word])) if rng.random() < rate else [word]
    return result


def survivors(corpus: Planted, folder: Path, spec: NearDuplicates, *, run_size: int = 200) -> list[int]:
    """The documents that stay, as the job finds them: runs on disk, bands, slices, groups."""
    order = sorted(range(len(corpus.texts)), key=lambda at: rank(corpus.texts[at]))
    random.Random(1).shuffle(order)
    runs = [sorted(order[at : at + run_size]) for at in range(0, len(order), run_size)]
    stems = [folder / f"{number:05d}" for number in range(len(runs))]
    for stem, members in zip(stems, runs, strict=True):
        texts = [corpus.texts[at] for at in members]
        write_signatures(stem, texts, [rank(text) for text in texts], spec)
    parts = slices(len(order), spec.bands)
    gone = removed((similar_pairs(stems, part, spec.similarity) for part in parts), stems)
    return sorted(
        at
        for members, rows in zip(runs, gone, strict=True)
        for row, at in enumerate(members)
        if row not in set(rows.tolist())
    )


def rank(text: str) -> str:
    return place(text, seed=0, held_out=0.0, shards=1).rank

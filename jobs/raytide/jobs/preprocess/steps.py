"""The steps of preprocessing on the cluster: each takes what lies in files and leaves files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytide.core.home import below_home
from raytide.core.spec.preprocess import PreprocessSpec
from raytide.jobs.preprocess.adopt import adopt_tokenizer
from raytide.jobs.preprocess.bpe import train_tokenizer
from raytide.jobs.preprocess.contamination import write_ngrams
from raytide.jobs.preprocess.corpus import Listing
from raytide.jobs.preprocess.documents import write_documents
from raytide.jobs.preprocess.extract import Extracted, Part, extract
from raytide.jobs.preprocess.near.step import find_near_duplicates
from raytide.jobs.preprocess.parts import parts
from raytide.jobs.preprocess.run_files import Run
from raytide.jobs.preprocess.sequences import ShardCounts, write_sequences
from raytide.jobs.preprocess.split import HELD_OUT
from raytide.jobs.preprocess.tally import Tally, total
from raytide.jobs.preprocess.work import WORK, done


@dataclass(frozen=True, slots=True)
class Steps:
    """One preprocessing, in the folder that becomes its output."""

    spec: PreprocessSpec
    folder: Path

    @property
    def work(self) -> Path:
        """What only the steps themselves need."""
        return self.folder / WORK

    def prepare(self) -> None:
        """Makes the folders."""
        for name in ("documents", "sequences", "work/runs", "work/near"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def extract(self, listing: Listing) -> Extracted:
        """Reads the corpus: its runs, and what became of what was no document or no good one."""
        spec, runs = self.spec, self.work / "runs"
        evaluation = self.work / "evaluation.npy" if spec.decontaminate else None
        if spec.decontaminate and evaluation and not evaluation.exists():
            write_ngrams(spec.decontaminate, spec.corpus, evaluation)

        def task(part: Part) -> dict[str, Any]:
            extracted = extract(part, spec, runs, evaluation)
            return {"runs": [run.as_json() for run in extracted.runs], "tally": extracted.tally.as_json()}

        items = [Part(index=index, root=listing.root, paths=paths) for index, paths in enumerate(parts(listing))]
        receipts = done(items, lambda part: f"part-{part.index:05d}", runs, task)
        found = [Run.of_json(run) for receipt in receipts for run in receipt["runs"]]
        return Extracted(tuple(found), total(Tally.of_json(receipt["tally"]) for receipt in receipts))

    def deduplicate(self, runs: Sequence[Run]) -> tuple[list[str], Tally]:
        """Writes the documents that stay: the shards that have some, and what became of them all."""
        folder, near, documents = self.work / "runs", None, self.folder / "documents"
        if self.spec.near_duplicates:
            near = self.work / "near"
            find_near_duplicates(runs, self.spec.near_duplicates, folder, near)

        def task(shard: str) -> dict[str, Any]:
            return write_documents(shard, runs, folder, near, documents / f"{shard}.parquet").as_json()

        shards = sorted({group.shard for run in runs for group in run.groups})
        tallies = [Tally.of_json(receipt) for receipt in done(shards, "documents-{}".format, self.work, task)]
        return [shard for shard, tally in zip(shards, tallies, strict=True) if tally.kept], total(tallies)

    def learn_tokenizer(self, shards: Sequence[str]) -> None:
        """Writes the tokenizer, or a copy of the one that exists."""
        spec, folder = self.spec, self.folder
        if spec.tokenizer.existing:
            adopt_tokenizer(below_home(spec.tokenizer.existing), folder / "tokenizer")
            return
        files = [folder / "documents" / f"{shard}.parquet" for shard in shards if shard != HELD_OUT]

        def task(_: str) -> dict[str, int]:
            train_tokenizer(files, spec.tokenizer, spec.sequence_length, folder / "tokenizer")
            return {"vocab_size": spec.tokenizer.vocab_size}

        done(["tokenizer"], str, self.work, task)

    def pack(self, shards: Sequence[str]) -> list[ShardCounts]:
        """Writes the packed sequences of each shard."""
        length, folder = self.spec.sequence_length, self.folder

        def task(shard: str) -> ShardCounts:
            return write_sequences(shard, folder, length)

        return done(shards, "sequences-{}".format, self.work, task)

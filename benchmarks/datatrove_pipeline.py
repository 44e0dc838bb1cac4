"""datatrove's part of `preprocess_vs_datatrove.py`, which runs this with datatrove on the path.

Its own readers, filters, MinHash and tokenizer, as its examples chain them. Two choices make outputs comparable, and
are in its favour: the extractor is called without its sandbox, and words are what blanks separate instead of spaCy's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
    minhash,
)
from datatrove.pipeline.filters import (
    GopherQualityFilter,
    GopherRepetitionFilter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.writers import JsonlWriter


class Blanks:
    """A word tokenizer that splits at blanks."""

    def word_tokenize(self, text: str) -> list[str]:
        """The words."""
        return text.split()


class Extract(PipelineStep):
    """The main text of each page, by the extractor that raytide uses; filters split at blanks from here on."""

    name = "main text"

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """The documents with their text."""
        from resiliparse.extract.html2text import extract_plain_text

        for module in (gopher_quality_filter, gopher_repetition_filter):
            module.split_into_words = lambda text, language: text.split()
        for document in data:
            document.text = extract_plain_text(
                document.text, main_content=True, alt_texts=False, comments=False, preserve_formatting=True
            )
            if document.text:
                yield document


def main() -> None:
    """Runs all steps and prints their time as JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("corpus", type=Path)
    arguments.add_argument("tokenizer", type=Path)
    arguments.add_argument("work", type=Path)
    arguments.add_argument("--workers", type=int, default=2)
    given = arguments.parse_args()
    start = time.monotonic()
    steps = {}
    for name, tasks, pipeline in pipelines(given.corpus, given.tokenizer, given.work):
        began = time.monotonic()
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=given.workers, logging_dir=str(given.work / "logs" / name)
        ).run()
        steps[name] = round(time.monotonic() - began, 2)
    wall_s = time.monotonic() - start
    # Which documents stayed is asked for afterwards: its tokenizer writes tokens alone.
    kept = [*deduplicated(given.work), JsonlWriter(str(given.work / "kept"), compression=None)]
    LocalPipelineExecutor(
        kept, tasks=num_files(given.corpus), workers=given.workers, logging_dir=str(given.work / "logs" / "kept")
    ).run()
    print(json.dumps({"wall_s": wall_s, "steps": steps}))


def pipelines(corpus: Path, tokenizer: Path, work: Path) -> list[tuple[str, int, list[Any]]]:
    """Each executor's name, tasks and steps."""
    files, config = num_files(corpus), minhash.MinhashConfig()
    minhash.load_word_tokenizer = lambda language: Blanks()
    signature = MinhashDedupSignature(str(work / "signatures"), config=config)
    filtered = [
        WarcReader(str(corpus)),
        Extract(),
        GopherQualityFilter(),
        GopherRepetitionFilter(),
        JsonlWriter(str(work / "filtered")),
    ]
    buckets = MinhashDedupBuckets(str(work / "signatures"), str(work / "buckets"), config=config)
    cluster = MinhashDedupCluster(str(work / "buckets"), str(work / "remove"), config=config)
    vocabulary = str(tokenizer / "tokenizer.json")
    tokens = DocumentTokenizer(str(work / "tokens"), vocabulary, eos_token="<|end|>")  # noqa: S106 (no password)
    return [
        ("extract and filter", files, filtered),
        ("signatures", files, [JsonlReader(str(work / "filtered")), signature]),
        ("buckets", config.num_buckets, [buckets]),
        ("cluster", 1, [cluster]),
        ("deduplicate and tokenize", files, [*deduplicated(work), tokens]),
    ]


def deduplicated(work: Path) -> list[Any]:
    """The documents that stay."""
    return [JsonlReader(str(work / "filtered")), MinhashDedupFilter(str(work / "remove"))]


def num_files(corpus: Path) -> int:
    """One task per file."""
    return len(list(corpus.glob("*.warc.gz")))


if __name__ == "__main__":
    main()

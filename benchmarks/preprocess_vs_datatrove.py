"""Documents per second and core, beside datatrove: `python benchmarks/preprocess_vs_datatrove.py PEER FOLDER`.

PEER is a folder with datatrove, which is no dependency of raytide (`pip install --target PEER datatrove[io,processing]
warcio six`); FOLDER has HTML pages, such as those of Debian's packages python3.11-doc and anarchism.
The pages become web archives, with versions that are new documents (15 % of the words replaced) and near-duplicates of
half of them (1 %). Both read them, extract the main text, apply Gopher's rules for quality and repetition, remove
near-duplicates with 14 bands of 8 hashes over runs of five words, and tokenize with one tokenizer, on as many cores.
Rounds alternate. Start-up of Ray and of Python is left out on both sides; that of worker processes is not.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from own_ray import own_ray

PAGES_PER_ARCHIVE = 150
NEW, NEAR = 0.15, 0.01
JOB = """
apiVersion: raytide/v1
kind: Job
metadata: {{name: preprocess}}
spec:
  task: preprocess
  corpus: {{source: "{corpus}", format: warc}}
  output: "{output}"
  quality: {{min_chars: 1, rules: {rules}}}
  near_duplicates: {near}
  tokenizer: {tokenizer}
  shards: 2
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What one side did with the corpus."""

    wall_s: float
    kept: list[str]
    """A digest of the text of each document that stayed."""


def main() -> None:
    """Makes the corpus, runs the rounds and prints the comparison."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("peer", type=Path)
    arguments.add_argument("pages", type=Path)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument("--versions", type=int, default=2)
    arguments.add_argument("--limit", type=int, help="pages to begin with")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="preprocess-") as name:
        compare(given, Path(name))


def compare(given: argparse.Namespace, work: Path) -> None:
    """Runs both sides in turn."""
    family = write_corpus(sorted(given.pages.rglob("*.html"))[: given.limit], given.versions, work / "corpus")
    documents = sum(map(len, family.values()))
    size = sum(path.stat().st_size for path in (work / "corpus").iterdir())
    print(f"{documents} pages of {len(set().union(*family.values()))} families, {size / 1e6:.1f} MB compressed")
    with own_ray(given.cores) as cluster:
        raytide(work, "first", cluster.environment, rules="[]", near="null", tokenizer="{vocab_size: 4096}")
        tokenizer = work / "first" / "tokenizer"
        ours, theirs = [], []
        for number in range(given.rounds):
            ours.append(
                raytide(
                    work,
                    f"ours-{number}",
                    cluster.environment,
                    rules="[gopher-quality, gopher-repetition]",
                    near="{bands: 14, rows: 8}",
                    tokenizer=f'{{existing: "{tokenizer}"}}',
                )
            )
            theirs.append(datatrove(work, given.peer, tokenizer, given.cores))
            report(documents, given.cores, ours[-1], theirs[-1])
    ratios = [their.wall_s / our.wall_s for our, their in zip(ours, theirs, strict=True)]
    print(
        f"times datatrove's documents/s per core: median {statistics.median(ratios):.2f}, "
        f"{min(ratios):.2f} to {max(ratios):.2f}"
    )
    differences(family, ours[-1], theirs[-1])


def report(documents: int, cores: int, ours: Round, theirs: Round) -> None:
    """Prints one round."""
    for name, side in (("raytide", ours), ("datatrove", theirs)):
        rate = documents / side.wall_s / cores
        print(f"  {name:9} {side.wall_s:6.1f} s  {rate:6.1f} documents/s per core, {len(side.kept)} kept", flush=True)


def differences(family: dict[str, set[int]], ours: Round, theirs: Round) -> None:
    """Prints in what the outputs differ: families, as either side may keep another of two near-duplicates."""
    mine, other = (set().union(*(family.get(digest, {-1}) for digest in side.kept)) for side in (ours, theirs))
    print(
        f"families kept by both {len(mine & other)}, by raytide alone {len(mine - other)}, "
        f"by datatrove alone {len(other - mine)}"
    )


def raytide(work: Path, output: str, environment: dict[str, str], **settings: str) -> Round:
    """One run of the job on the Ray that is there."""
    job = work / f"{output}.yaml"
    job.write_text(JOB.format(corpus=work / "corpus", output=work / output, **settings))
    command = [sys.executable, "-m", "raytide.jobs.preprocess", str(job)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    manifest: dict[str, Any] = json.loads((work / output / "manifest.json").read_text())
    return Round(manifest["wall_s"], [digest(text) for text in documents_of(work / output)])


def datatrove(work: Path, peer: Path, tokenizer: Path, cores: int) -> Round:
    """One run of datatrove's pipelines."""
    shutil.rmtree(work / "theirs", ignore_errors=True)
    script = [str(Path(__file__).with_name("datatrove_pipeline.py")), str(work / "corpus"), str(tokenizer)]
    command = [sys.executable, *script, str(work / "theirs"), "--workers", str(cores)]
    environment = {**os.environ, "PYTHONPATH": str(peer), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    kept = [json.loads(line)["text"] for file in (work / "theirs" / "kept").iterdir() for line in file.open()]
    return Round(json.loads(done.stdout.splitlines()[-1])["wall_s"], [digest(text) for text in kept])


def documents_of(output: Path) -> Iterator[str]:
    """The text of all documents of a preprocess job."""
    from raytide.jobs.preprocess.documents import texts

    for shard in sorted((output / "documents").iterdir()):
        yield from texts(shard)


def digest(text: str) -> str:
    """Equal for texts that differ in blanks alone: one side cleans them, the other does not."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def write_corpus(pages: list[Path], versions: int, folder: Path) -> dict[str, set[int]]:
    """Writes the archives; which families a text belongs to."""
    from raytide.jobs.preprocess.clean import clean
    from raytide.jobs.preprocess.read.html import main_text

    rng, family, made = random.Random(0), {}, []  # noqa: S311
    for page in pages:
        original = page.read_text(errors="replace")
        for version in range(versions):
            html = edited(original, NEW, rng) if version else original
            made.append(html)
            number = len(made)
            copies = [html, edited(html, NEAR, rng)] if number % 2 else [html]
            made += copies[1:]
            for copy in copies:
                family.setdefault(digest(clean(main_text(copy.encode()))), set()).add(number)
    folder.mkdir()
    rng.shuffle(made)
    for start in range(0, len(made), PAGES_PER_ARCHIVE):
        (folder / f"{start:06d}.warc.gz").write_bytes(archive(made[start : start + PAGES_PER_ARCHIVE]))
    return family


def edited(html: str, rate: float, rng: random.Random) -> str:
    """The page with that share of the words between its tags replaced."""

    def words(match: re.Match[str]) -> str:
        return re.sub(
            r"[A-Za-z]{3,}", lambda word: f"x{rng.randrange(10**6)}" if rng.random() < rate else word[0], match[0]
        )

    head, body, rest = html.partition("<body")
    return head + body + re.sub(r">[^<]+<", words, rest)


def archive(pages: list[str]) -> bytes:
    """A compressed web archive of answers."""
    from fastwarc.stream_io import GzipWriter
    from fastwarc.warc import WarcRecord, WarcRecordType

    buffer = io.BytesIO()
    with GzipWriter(buffer) as stream:
        for number, page in enumerate(pages):
            body = page.encode()
            record = WarcRecord()
            record.init_headers(WarcRecordType.response)
            record.headers["WARC-Target-URI"] = f"https://example.org/{number}"
            record.headers["WARC-Identified-Payload-Type"] = "text/html"
            record.is_http = True
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
            record.set_bytes_content(head.encode() + body)
            record.write(stream)
    return buffer.getvalue()


if __name__ == "__main__":
    main()

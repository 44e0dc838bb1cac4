"""Preprocessing with every step on, killed again and again, and with what is not what it says it is."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from raytide.operator.local.record import recall

from .conftest import ROOT, Cluster, command, read, wait_for

pytestmark = pytest.mark.e2e

ALL_STEPS = [
    "corpus.source=mixed",
    "quality={rules: [gopher-quality], languages: [en]}",
    "scrub=[email, ip]",
    "near_duplicates={}",
    "decontaminate={against: [evaluation]}",
    "tokenizer.vocab_size=600",
    "sequence_length=64",
    "held_out=20%",
    "shards=3",
]
KILLED_AT = ("runs/part-*", "near/pairs-*", "near/gone", "documents-*", "tokenizer")
"""The receipts of work at whose first sight the job is killed, one step after the other."""


@pytest.fixture(scope="module")
def mixed(cluster: Cluster) -> Path:
    """Prose in several forms, a tenth of it written twice with small changes, and some that is broken."""
    rng = random.Random(4)
    nouns = ["tide", "harbour", "boat", "storm", "cellar", "winter", "bay", "clock", "town", "pump", "street", "wall"]
    words = ["the", "of", "and", "with", *nouns, *(f"{noun}s" for noun in nouns)]
    folder = cluster.home / "mixed"
    (cluster.home / "evaluation").mkdir(parents=True, exist_ok=True)
    folder.mkdir()

    def prose(size: int) -> list[str]:
        return [rng.choice(words) for _ in range(size)]

    for part in range(20):
        documents = [prose(rng.randint(150, 400)) for _ in range(100)]
        documents += [[*document[:70], "again", *document[70:]] for document in documents[:10]]
        rows = "".join(json.dumps({"text": " ".join(document)}) + "\n" for document in documents)
        (folder / f"{part:02d}.jsonl.gz").write_bytes(gzip.compress(rows.encode(), mtime=0))
    question = " ".join(prose(60))
    (cluster.home / "evaluation" / "questions.txt").write_text(question)
    (folder / "quotes.txt").write_text(f"{question} {' '.join(prose(100))}")
    (folder / "truncated.jsonl.gz").write_bytes((folder / "00.jsonl.gz").read_bytes()[:5000])
    (folder / "empty.jsonl").write_text("")
    (folder / "wrong.jsonl").write_text('{"text": 5}\n')
    return folder


def preprocess(cluster: Cluster, output: str) -> subprocess.Popen[bytes]:
    """The job as its driver, on the cluster, in a process that can be killed."""
    local = recall(cluster.home)
    assert local
    address = Path(local.temp_dir) / "ray_current_cluster"
    wait_for(address, ":")
    words = command("preprocess", f"output=data/{output}", *ALL_STEPS)
    return subprocess.Popen(
        [sys.executable, *words[1:]], env={**cluster.env, "RAY_ADDRESS": address.read_text()}, cwd=ROOT
    )


def test_a_job_that_is_killed_five_times_gives_the_same_data(cluster: Cluster, mixed: Path) -> None:
    assert preprocess(cluster, "whole").wait(300) == 0

    for step in KILLED_AT:
        job = preprocess(cluster, "killed")
        wait_for(cluster.home / "data" / ".killed.*.partial" / "work" / f"{step}.json", "")
        job.send_signal(signal.SIGKILL)
        assert job.wait(30) == -signal.SIGKILL
    assert preprocess(cluster, "killed").wait(300) == 0

    whole, killed = (read(cluster.home / "data" / name / "manifest.json") for name in ("whole", "killed"))
    assert killed["data_hash"] == whole["data_hash"]
    assert killed["steps"] == whole["steps"]
    assert not list((cluster.home / "data").glob(".killed.*.partial"))

"""Memory of preprocessing as the corpus grows tenfold: `python benchmarks/preprocess_memory.py`.

Made documents of 2 kB, a fifth of them near-duplicates of others, go through the whole job (read, judge, scrub,
deduplicate, tokenize, pack) on a Ray of its own. Printed are the largest resident size of one worker, and of all
processes that work on it together without the object store, which they share, sampled five times a second.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from own_ray import OwnRay, own_ray

DOCUMENTS_PER_FILE = 2000
JOB = """
apiVersion: raytide/v1
kind: Job
metadata: {{name: preprocess}}
spec:
  task: preprocess
  corpus: {{source: "{corpus}"}}
  output: "{output}"
  quality: {{rules: [gopher-quality]}}
  scrub: [email, ip]
  near_duplicates: {{}}
  shards: 4
"""


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--documents", type=int, default=10_000)
    arguments.add_argument("--cores", type=int, default=2)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="preprocess-") as name, own_ray(given.cores) as cluster:
        for times in (1, 10):
            folder = Path(name) / f"times-{times}"
            size = write_corpus(times * given.documents, folder)
            worker, together, manifest = measured(folder, cluster)
            print(
                f"{times * given.documents:7} documents, {size / 1e6:6.1f} MB: worker {worker / 1e6:4.0f} MB, all "
                f"{together / 1e6:5.0f} MB, {manifest['wall_s']} s, {manifest['documents']}",
                flush=True,
            )


def measured(folder: Path, cluster: OwnRay) -> tuple[int, int, dict[str, object]]:
    """The most that one worker and that all together used, and the job's manifest."""
    job = folder.with_suffix(".yaml")
    job.write_text(JOB.format(corpus=folder, output=folder.with_suffix(".out")))
    command = [sys.executable, "-m", "raytide.jobs.preprocess", str(job)]
    worker = together = 0
    with subprocess.Popen(command, env=cluster.environment, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        while process.poll() is None:
            sizes = resident(cluster.head)
            worker, together = max([worker, *sizes]), max(together, sum(sizes))
            time.sleep(0.2)
    if process.returncode:
        sys.exit(f"the job ended with {process.returncode}")
    return worker, together, json.loads((folder.with_suffix(".out") / "manifest.json").read_text())


def resident(head: int) -> list[int]:
    """Bytes of each worker that are its own: what it maps of files and of the object store counts for none."""
    sizes = []
    for process in psutil.Process(head).children(recursive=True):
        try:
            if process.cmdline()[0].startswith("ray::"):
                memory = process.memory_info()
                sizes.append(memory.rss - memory.shared)
        except (psutil.NoSuchProcess, IndexError):
            continue
    return sizes


def write_corpus(documents: int, folder: Path) -> int:
    """Writes files of JSON lines, and returns their bytes."""
    rng = random.Random(0)  # noqa: S311
    words = ["the", "of", "and", "with", *(f"word{number}" for number in range(3000))]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    folder.mkdir()
    total, body = 0, [""]
    for start in range(0, documents, DOCUMENTS_PER_FILE):
        rows = []
        for number in range(start, min(start + DOCUMENTS_PER_FILE, documents)):
            body = [*body[:50], "again", *body[50:]] if number % 5 == 4 else rng.choices(words, weights, k=330)
            rows.append(json.dumps({"text": " ".join(body)}))
        total += (folder / f"{start:08d}.jsonl").write_text("\n".join(rows))
    return total


if __name__ == "__main__":
    main()

"""A job that answers a data set with real vLLM engines on Ray Data."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import Cluster, read

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
JOB = """\
apiVersion: raytide/v1
kind: Job
metadata: {name: infer}
spec:
  task: infer
  model: runs/tiny/export
  input: prompts
  output: answers/tiny
  max_tokens: 8
  rows_per_shard: 4
  engine: {max_num_seqs: 4, dtype: float32, enforce_eager: true}
  price: $0.5/h
"""


def test_a_data_set_is_answered_once_in_order_and_as_transformers_would(
    cluster: Cluster, run: Path, tmp_path: Path
) -> None:
    prompts = [f"def add_{number}(a, b):\n" for number in range(9)]
    too_long = "return " * 200
    folder = cluster.home / "prompts"
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(json.dumps({"prompt": one}) + "\n" for one in [*prompts[:5], too_long]))
    pq.write_table(pa.table({"prompt": prompts[5:]}), folder / "b.parquet")
    file = tmp_path / "infer.yaml"
    file.write_text(JOB)

    done = cluster.submit(["python", "-m", "raytide.jobs.infer", str(file)])
    assert done.returncode == 0, done.stdout
    output = cluster.home / "answers" / "tiny"
    manifest = read(output / "manifest.json")
    rows = [row for shard in sorted(output.glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]
    assert [row["prompt"] for row in rows] == [*prompts[:5], too_long, *prompts[5:]]
    assert [row["row"] for row in rows if row["error"]] == [5]
    assert (manifest["rows"], manifest["failed"], manifest["shards"]) == (10, 1, 3)
    assert manifest["output_tokens"] == sum(row["output_tokens"] or 0 for row in rows) > 9
    assert manifest["usd_per_million_tokens"] > 0
    assert [row["answer"] for row in rows[:2]] == [greedy(run / "export", prompt) for prompt in prompts[:2]]

    again = cluster.submit(["python", "-m", "raytide.jobs.infer", str(file)])
    assert "nothing to do" in again.stdout


def greedy(model: Path, prompt: str) -> str:
    """What transformers answers, token by token the likeliest."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, loaded = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model)
    asked = tokenizer(prompt, return_tensors="pt")
    answer = loaded.generate(**asked, max_new_tokens=8, do_sample=False, pad_token_id=0)[0, asked.input_ids.shape[1] :]
    text: str = tokenizer.decode(answer, skip_special_tokens=True)
    return text

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import SMALL_DATA, SMALL_RUN, Cluster, command, read, wait_for

pytestmark = pytest.mark.e2e


def logged_steps(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_files_are_counted_where_they_went(data: Path) -> None:
    manifest = read(data / "manifest.json")
    assert manifest["documents"] == {"kept": 120, "dropped": {"duplicate": 1, "too_short": 1, "undecodable": 1}}
    assert sum(split["documents"] for split in manifest["splits"].values()) == 120
    assert all(split["sequences"] > 0 for split in manifest["splits"].values())


def test_the_same_corpus_gives_the_same_bytes(cluster: Cluster, data: Path) -> None:
    done = cluster.submit(command("preprocess", "output=data/again", *SMALL_DATA))
    assert done.returncode == 0, done.stdout
    again = read(cluster.home / "data" / "again" / "manifest.json")
    assert again["sha256"] == read(data / "manifest.json")["sha256"]


def test_what_exists_is_reused_and_never_overwritten(cluster: Cluster, data: Path) -> None:
    before = (data / "manifest.json").stat().st_mtime_ns
    assert "nothing to do" in cluster.submit(command("preprocess", "output=data/tiny", *SMALL_DATA)).stdout
    refused = cluster.submit(command("preprocess", "output=data/tiny", *SMALL_DATA, "seed=9"))
    assert refused.returncode == 1
    assert "seed: 0, now 9" in refused.stdout
    assert (data / "manifest.json").stat().st_mtime_ns == before


def test_a_run_survives_a_killed_worker_and_has_each_step_once(run: Path) -> None:
    assert logged_steps(run) == [10, 20, 30, 40, 50, 60]
    assert read(run / "export" / "lineage.json")["steps"] == 60


def test_a_finished_run_is_not_done_again_nor_mixed_with_another(cluster: Cluster, run: Path) -> None:
    exported = (run / "export" / "model.safetensors").stat().st_mtime_ns
    assert cluster.submit(command("train", "output=runs/tiny", *SMALL_RUN)).returncode == 0
    refused = cluster.submit(command("train", "output=runs/tiny", *SMALL_RUN, "seed=5"))
    assert "seed: 0, now 5" in refused.stdout
    assert (run / "export" / "model.safetensors").stat().st_mtime_ns == exported


def test_a_stopped_job_goes_on_where_it_was_and_ends_with_the_same_model(cluster: Cluster, run: Path) -> None:
    folder = cluster.home / "runs" / "stopped"
    first = ["ray", "job", "submit", "--no-wait", "--submission-id", "stopped", "--address", cluster.address, "--"]
    train = command("train", "output=runs/stopped", *SMALL_RUN)
    subprocess.run([*first, *train], env=cluster.env, check=True, capture_output=True)
    wait_for(folder / "metrics.jsonl", '"step": 30')
    stop = ["ray", "job", "stop", "--address", cluster.address, "stopped"]
    subprocess.run(stop, env=cluster.env, check=True, capture_output=True)
    assert not (folder / "export").exists()

    done = cluster.submit(train)
    assert done.returncode == 0, done.stdout
    assert "step 10 of" not in done.stdout
    assert logged_steps(folder) == [10, 20, 30, 40, 50, 60]
    # An interruption changes nothing: neither the data order nor the optimizer's state.
    weights = [read_weights(path) for path in (folder, run)]
    assert weights[0] == weights[1]


def read_weights(run: Path) -> bytes:
    return (run / "export" / "model.safetensors").read_bytes()


def test_a_good_model_is_registered_and_a_bad_one_is_not(cluster: Cluster, run: Path) -> None:
    paths = ["data=data/tiny", "model=runs/tiny/export"]
    done = cluster.submit(command("evaluate", *paths, "report=reports/good.json"))
    assert done.returncode == 0, done.stdout
    good = read(cluster.home / "reports" / "good.json")
    assert good["passed"]
    assert good["registered"] == {"name": "chat", "version": 1, "alias": "candidate"}
    assert good["scores"]["untrained"]["perplexity"] > 4 * good["scores"]["trained"]["perplexity"]

    failed = cluster.submit(command("evaluate", *paths, "report=reports/bad.json", "gate.improvement=1000000"))
    assert failed.returncode != 0
    assert "not registered" in failed.stdout
    bad = read(cluster.home / "reports" / "bad.json")
    assert (bad["passed"], bad["registered"]) == (False, None)


def test_a_model_no_worse_than_production_is_compared_with_it(
    cluster: Cluster, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from raytide.jobs.registry import promote, resolve

    monkeypatch.setenv("RAYTIDE_HOME", str(cluster.home))
    promote("chat", "candidate")
    done = cluster.submit(command("evaluate", "data=data/tiny", "model=runs/tiny/export", "report=reports/next.json"))
    assert done.returncode == 0, done.stdout
    scores = read(cluster.home / "reports" / "next.json")["scores"]
    assert scores["production"] == scores["trained"]
    assert resolve("registry:chat@production").lineage["steps"] == 60


def test_a_diverging_run_stops_with_a_sentence(cluster: Cluster, data: Path) -> None:
    done = cluster.submit(command("train", "output=runs/nan", *SMALL_RUN, "learning_rate=1e30", "warmup_steps=0"))
    assert done.returncode != 0
    assert "Training diverged" in done.stdout
    assert not (cluster.home / "runs" / "nan" / "export").exists()


def test_a_corpus_too_small_for_a_sequence_is_a_sentence_and_leaves_nothing(cluster: Cluster, data: Path) -> None:
    done = cluster.submit(command("preprocess", "output=data/huge", *SMALL_DATA, "sequence_length=100000"))
    assert done.returncode != 0
    assert "lower spec.sequence_length" in done.stdout
    assert not [path for path in (cluster.home / "data").iterdir() if "huge" in path.name and path.is_dir()]

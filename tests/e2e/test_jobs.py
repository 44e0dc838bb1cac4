import json
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from .conftest import SMALL_DATA, SMALL_RUN, STEPS, Cluster, command, read, train_workers, wait_for

pytestmark = pytest.mark.e2e
ALL_STEPS = list(range(10, STEPS + 1, 10))


def logged_steps(run: Path) -> list[int]:
    return [int(entry["step"]) for entry in metrics(run)]


def test_files_are_counted_where_they_went(data: Path) -> None:
    manifest = read(data / "manifest.json")
    assert manifest["documents"] == {"kept": 120, "dropped": {"duplicate": 1, "too_short": 1, "undecodable": 1}}
    assert sum(split["documents"] for split in manifest["splits"].values()) == 120
    assert all(split["sequences"] > 0 for split in manifest["splits"].values())
    # Exactly what is there: a pipeline asks for every file that is named.
    there = {str(file.relative_to(data)) for file in data.rglob("*.*")} - {"manifest.json"}
    assert set(manifest["sha256"]) == there


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
    assert logged_steps(run) == ALL_STEPS
    assert read(run / "export" / "lineage.json")["steps"] == STEPS


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
    assert logged_steps(folder) == ALL_STEPS
    # An interruption changes nothing: neither the data order nor the optimizer's state.
    weights = [read_weights(path) for path in (folder, run)]
    assert weights[0] == weights[1]


def read_weights(run: Path) -> bytes:
    return (run / "export" / "model.safetensors").read_bytes()


def test_a_run_killed_at_five_random_moments_has_the_same_losses_samples_and_weights(
    cluster: Cluster, data: Path
) -> None:
    undisturbed = cluster.submit(command("train", "output=runs/undisturbed", *SMALL_RUN))
    assert undisturbed.returncode == 0, undisturbed.stdout
    folder, seed = cluster.home / "runs" / "killed", int(time.time())
    chance = random.Random(seed)
    submit = ["ray", "job", "submit", "--address", cluster.address, "--"]
    train = command("train", "output=runs/killed", *SMALL_RUN, "max_failures=5")
    with subprocess.Popen(
        [*submit, *train], env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as job:
        for step in sorted(chance.sample(ALL_STEPS[:-3], 5)):
            wait_for(folder / "metrics.jsonl", f'"step": {step},')
            time.sleep(chance.uniform(0, 0.3))
            kill_one(cluster.home, chance)
        output, _ = job.communicate(timeout=400)
    assert job.returncode == 0, f"seed {seed}: {output}"
    assert measured(folder) == measured(cluster.home / "runs" / "undisturbed"), f"seed {seed}"
    assert read_weights(folder) == read_weights(cluster.home / "runs" / "undisturbed"), f"seed {seed}"


def kill_one(home: Path, chance: random.Random) -> None:
    """Kills a worker, and returns when the others of its group have gone too."""
    while not (workers := list(train_workers(home))):
        time.sleep(0.1)
    chance.choice(workers).send_signal(signal.SIGKILL)
    psutil.wait_procs(workers, timeout=60)


def measured(run: Path) -> list[tuple[float, ...]]:
    """What a run was at each measured step, and what it had seen; without what a clock says."""
    keys = ("step", "loss", "gradient_norm", "learning_rate", "position", "tokens", "samples_checksum")
    return [tuple(entry[key] for key in keys) for entry in metrics(run)]


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_sharded_training_has_the_losses_of_replicated_training(cluster: Cluster, run: Path) -> None:
    sharded = ["parallelism=fsdp2", "activation_checkpointing=true", "gradient_accumulation=2"]
    done = cluster.submit(command("train", "output=runs/sharded", *SMALL_RUN, *sharded, "batch_size_per_worker=2"))
    assert done.returncode == 0, done.stdout
    folder = cluster.home / "runs" / "sharded"
    losses = [[entry["loss"] for entry in metrics(each)] for each in (folder, run)]
    # Gradients are summed in another order: equal at first, and training makes more of the last bits with each step, by
    # which two runs at this learning rate are a fifth apart in the end, on some processors and not on others.
    assert losses[0][:7] == pytest.approx(losses[1][:7], rel=0.01)
    assert all(each[-1] < each[0] / 4 for each in losses)
    assert metrics(folder)[-1]["samples_checksum"] == metrics(run)[-1]["samples_checksum"]
    exported = [(each / "export" / "model.safetensors").stat().st_size for each in (folder, run)]
    assert exported[0] == pytest.approx(exported[1], rel=0.01)


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
    assert resolve("registry:chat@production").lineage["steps"] == STEPS


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

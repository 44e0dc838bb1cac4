"""What raytide's training costs beside plain torchrun: `python benchmarks/train_throughput.py`.

The same Llama on the same sequences with the same optimizer in the same two processes over gloo, ten steps at a time,
turn by turn: by the loop behind `python -m raytide.jobs.train`, with its metrics, checkpoints, agreement of workers and
judgement of losses; by the shortest DDP loop that does the same arithmetic; and by raytide with one worker. A turn is
seconds long, so that whatever else the machine does meets all of them alike. Ray, which only starts the processes, is
left out; `--whole-runs 3` compares whole jobs on Ray with whole torchrun jobs instead, and needs a quiet machine.

`--data` is a preprocess job's output; without it one is made of Python's standard library, below $RAYTIDE_HOME.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
STEPS_PER_TURN: Final = 10
"""As many as between two entries of the metrics."""
WARM_UP_STEPS: Final = 10
ENV: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
PLAIN, OURS, ALONE = "plain DDP", "raytide", "raytide, one worker"


def main() -> None:
    """Measures, and prints medians and their ratios to plain torchrun."""
    options = _options()
    if options.worker == "turns":
        _turns(options)
    elif options.worker == "plain":
        _plain_run(options)
    else:
        _compare(options)


def _compare(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options.data = options.data or _made(Path(folder))
        if options.whole_runs:
            found = [_whole_runs(options, Path(folder) / str(number)) for number in range(options.whole_runs)]
        else:
            told = _torchrun(options, "turns", "--turns", str(options.turns), "--output", folder)
            found = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    _summarise(found)


def _summarise(rounds: list[dict[str, float]]) -> None:
    for name in rounds[0]:
        rates, ratios = [each[name] for each in rounds], sorted(each[name] / each[PLAIN] for each in rounds)
        print(
            f"{name}: median {statistics.median(rates):,.0f} tokens/s, {statistics.median(ratios):.3f} times plain "
            f"(quartiles {ratios[len(ratios) // 4]:.3f} and {ratios[-1 - len(ratios) // 4]:.3f}, {len(ratios)} rounds)"
        )
    scaling = statistics.median(each[OURS] / each[ALONE] for each in rounds)
    print(f"from one worker to two: {scaling:.2f} times the tokens/s")


def _turns(options: argparse.Namespace) -> None:
    """One worker of the alternation; the first one prints the tokens/s of each round."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    torch.set_num_threads(1)
    rank, size, spec = distributed.get_rank(), distributed.get_world_size(), _spec()
    tokens = STEPS_PER_TURN * spec.batch_size_per_worker * _sequences(options).shape[1]
    paths: dict[str, tuple[Callable[[], Any], int]] = {
        PLAIN: (_stepping(_plain_steps(options)), tokens * size),
        OURS: (_loop(options, rank, size).step, tokens * size),
        ALONE: (_loop(options, 0, 1).step if rank == 0 else lambda: None, tokens),
    }
    for number in range(options.turns + 1):
        rates = {name: num_tokens / _seconds(step) for name, (step, num_tokens) in paths.items()}
        if rank == 0 and number:  # the first turn warms up
            print(json.dumps(rates), flush=True)
    distributed.destroy_process_group()


def _seconds(step: Callable[[], Any]) -> float:
    from torch import distributed

    distributed.barrier()
    start_s = time.monotonic()
    for _ in range(STEPS_PER_TURN):
        step()
    distributed.barrier()
    return time.monotonic() - start_s


def _stepping(steps: Iterator[Any]) -> Callable[[], Any]:
    return lambda: next(steps)


def _loop(options: argparse.Namespace, rank: int, size: int) -> Any:
    """The loop of a run that has no end here."""
    import torch
    from torch.nn.parallel import DistributedDataParallel

    from raytide.jobs.train.dataset import packed
    from raytide.jobs.train.group import Group
    from raytide.jobs.train.learner import Learner
    from raytide.jobs.train.loop import Loop
    from raytide.jobs.train.objective import NextToken
    from raytide.jobs.train.plan import Plan

    spec = _spec().model_copy(update={"workers": size, "steps": 10**6})
    sequences, output = _sequences(options), Path(options.output) / str(size)
    output.mkdir(exist_ok=True)
    plan = Plan(spec=spec, output=output, lineage={}, data=options.data, sequence_length=sequences.shape[1])
    group = Group(rank=rank, size=size, device=torch.device("cpu"), preempted=lambda: False)
    model = _model(options)
    # As Ray Train would wrap it, with the options that raytide gives.
    replica = (
        DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True) if size > 1 else model
    )
    return Loop(plan, group, Learner(model, replica, spec), NextToken(packed(sequences)))


def _plain_steps(options: argparse.Namespace) -> Iterator[Any]:
    """The shortest loop: no checkpoints, no metrics, a loss that is read every tenth step."""
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    spec, sequences, model = _spec(), _sequences(options), _model(options)
    rank, size, batch = distributed.get_rank(), distributed.get_world_size(), spec.batch_size_per_worker
    replica = DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=spec.weight_decay)
    order = torch.randperm(len(sequences), generator=torch.Generator().manual_seed(0))
    step = 0
    while True:
        first = (step * size + rank) * batch % (len(sequences) - batch)
        tokens = torch.from_numpy(sequences[order[first : first + batch].numpy()]).long()
        loss = replica(input_ids=tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        yield loss.item() if step % 10 == 0 else None


def _plain_run(options: argparse.Namespace) -> None:
    """One worker of a whole plain run; the first one prints its tokens/s."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    torch.set_num_threads(1)
    steps, start_s = _plain_steps(options), 0.0
    for step in range(options.steps):
        if step == WARM_UP_STEPS:
            start_s = time.monotonic()
        next(steps)
    per_step = distributed.get_world_size() * _spec().batch_size_per_worker * _sequences(options).shape[1]
    if distributed.get_rank() == 0:
        print((options.steps - WARM_UP_STEPS) * per_step / (time.monotonic() - start_s))
    distributed.destroy_process_group()


def _whole_runs(options: argparse.Namespace, output: Path) -> dict[str, float]:
    plain = float(_torchrun(options, "plain", "--steps", str(options.steps)).splitlines()[-1])
    ours = {workers: _job(options, output / str(workers), workers) for workers in (2, 1)}
    found = {PLAIN: plain, OURS: ours[2], ALONE: ours[1]}
    print(", ".join(f"{name} {rate:,.0f} tokens/s" for name, rate in found.items()))
    return found


def _job(options: argparse.Namespace, output: Path, workers: int) -> float:
    settings = {"data": options.data, "output": output, "workers": workers, "steps": options.steps}
    overrides = [word for key, value in settings.items() for word in ("--set", f"spec.{key}={value}")]
    _run([sys.executable, "-m", "raytide.jobs.train", str(ROOT / "jobs" / "train.yaml"), *overrides])
    entries = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    first = next(entry for entry in entries if entry["step"] == WARM_UP_STEPS)
    return float((entries[-1]["tokens"] - first["tokens"]) / (entries[-1]["elapsed_s"] - first["elapsed_s"]))


def _torchrun(options: argparse.Namespace, worker: str, *arguments: str) -> str:
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--nproc-per-node=2", __file__]
    return _run([*torchrun, "--worker", worker, "--data", str(options.data), *arguments])


def _made(folder: Path) -> Path:
    data = folder / "stdlib"
    preprocess = [sys.executable, "-m", "raytide.jobs.preprocess", str(ROOT / "jobs" / "preprocess.yaml")]
    _run([*preprocess, "--set", f"spec.output={data}"])
    return data


def _run(command: list[str]) -> str:
    ran = subprocess.run(command, env={**os.environ, **ENV}, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def _spec() -> Any:
    from raytide.core.spec.job import Job
    from raytide.core.spec.read import read_as

    return read_as(Job, ROOT / "jobs" / "train.yaml").spec


def _sequences(options: argparse.Namespace) -> Any:
    from raytide.jobs.train.dataset import load_sequences

    return load_sequences(options.data)


def _model(options: argparse.Namespace) -> Any:
    from raytide.jobs.train.model import llama_config, new_model

    spec = _spec()
    return new_model(llama_config(spec.model, options.data / "tokenizer", _sequences(options).shape[1]), spec.seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a preprocess job's output")
    parser.add_argument("--turns", type=int, default=20, help="rounds of ten steps of each")
    parser.add_argument("--whole-runs", type=int, default=0, help="rounds of whole jobs instead")
    parser.add_argument("--steps", type=int, default=60, help="of a whole job")
    parser.add_argument("--worker", choices=["turns", "plain"], help=argparse.SUPPRESS)  # one process of torchrun's
    parser.add_argument("--output", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

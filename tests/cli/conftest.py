from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from raytide.cli import main

Raytide = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def raytide(tmp_path: Path) -> Raytide:
    """Runs the command in a process of its own, in an empty folder."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from raytide.cli import main; main()", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    return run


@dataclass(frozen=True)
class Ran:
    exit_code: int
    out: str
    err: str


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the command in this process, which has the simulator compiled already."""

    def run(*args: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["raytide", *map(str, args)])
        with pytest.raises(SystemExit) as exited:
            main()
        said = capsys.readouterr()
        return Ran(exit_code=int(exited.value.code or 0), out=said.out, err=said.err)

    return run


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """A service of one to six replicas that start in 30 s, at $10/h each."""
    path = tmp_path / "chat.yaml"
    path.write_text(
        "apiVersion: raytide/v1\nkind: Service\nmetadata: {name: chat}\nspec:\n"
        "  model: {source: hf://Qwen/Qwen3-32B}\n"
        "  hardware:\n"
        "    - accelerator: H100\n      tensor_parallel: 2\n      cold_start: 30s\n      price: $10/h\n"
        "      performance:\n"
        "        iteration: {base: 13.5ms, per_sequence: 30us, per_kv_token: 79ns, per_prefill_token: 49.5us}\n"
        "        kv_capacity_tokens: 270000\n"
        "  objectives: {ttft: {p95: 1s}, tpot: {p99: 100ms}, attainment: 95%}\n"
        "  scaling: {min_replicas: 1, max_replicas: 6}\n"
    )
    return path


@pytest.fixture
def minutes(tmp_path: Path) -> Path:
    """Four minutes of requests, the second half with five times as many as the first."""
    random = np.random.default_rng(0)
    arrival_s = np.sort(np.concatenate([random.uniform(0, 120, 480), random.uniform(120, 240, 2400)]))
    prompt, output = random.integers(500, 3000, 2880), random.integers(20, 200, 2880)
    rows = "".join(f"{at:.6f},{i},{o}\n" for at, i, o in zip(arrival_s, prompt, output, strict=True))
    path = tmp_path / "minutes.csv"
    path.write_text("arrival_s,prompt_tokens,output_tokens\n" + rows)
    return path

"""The benchmarks of a GPU, on the CPU with a tiny decoder: what they compute is right, and they read each other."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import torch

from raytide.autoscaling.performance.iterations import read_iterations

CPU = torch.device("cpu")
CONTEXT = 12


def loaded(file: Path) -> ModuleType:
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[file.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> ModuleType:
    return loaded(repository / "benchmarks" / "iteration_on_gpu.py")


def test_a_sequence_decodes_to_what_its_whole_prompt_prefills_to(benchmark: ModuleType) -> None:
    torch.manual_seed(0)
    prompt, beside = torch.randint(256, (CONTEXT,)), torch.randint(256, (CONTEXT,))
    with torch.inference_mode():
        decoder = benchmark.Decoder(benchmark.SHAPES["tiny"], CPU, slots=2 * CONTEXT)
        prefilled = decoder.iteration(batch(benchmark, sequences=0, prefill=CONTEXT), prompt)()
        decoded = decoder.iteration(batch(benchmark, sequences=1, prefill=CONTEXT), torch.cat([prompt[-1:], beside]))()
        alone = decoder.iteration(batch(benchmark, sequences=0, prefill=CONTEXT), beside)()
    assert prefilled.shape == (1,)
    assert decoded.tolist() == [*prefilled.tolist(), *alone.tolist()]


def batch(benchmark: ModuleType, sequences: int, prefill: int) -> object:
    return benchmark.Batch(sequences=sequences, context=CONTEXT, prefill=prefill)


def test_what_is_measured_can_be_read(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "iterations.csv"
    benchmark.main(["--device", "cpu", "--shape", "tiny", "--seconds", "0.001", "--out", str(file)])
    card = read_iterations(file.read_text().splitlines(keepends=True), name=file.name)
    assert card.facts["card"] == "none"
    batches = {(row.num_sequences, row.kv_tokens, row.prefill_tokens) for row in card.iterations}
    assert {(1, 16, 0), (4, 128, 0), (0, 0, 16), (2, 32, 8)} <= batches
    assert all(row.seconds > 0 for row in card.iterations)
    assert capsys.readouterr().out == file.read_text()


def test_the_comparison_prints_every_shape_and_regime(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = loaded(repository / "benchmarks" / "roofline_vs_gpu.py")
    data = repository / "benchmarks" / "data" / "iterations_h100.csv"
    monkeypatch.setattr(sys, "argv", ["roofline_vs_gpu.py", str(data)])
    comparison.main()
    printed = capsys.readouterr().out
    assert printed.count("chunks of 4096 and 8192") == 5
    assert "Qwen3-32B/2 kernels" in printed
    assert "vllm 0.12.0" in printed

"""What the way to an engine costs: `python benchmarks/serving_path.py --rounds 5`.

The same model on the same machine behind vLLM's own OpenAI server, behind raytide's gateway with keys, limits, money
and accounting on, and behind ray.serve.llm on its default and on its direct-streaming path. All of them stay up; each
round loads one after the other with `vllm bench serve`, so that whatever else the machine does meets all of them alike.
One line a round and path, then medians and their ratio to vLLM's own server.

Without --model, a random Llama of 2 layers is made: an engine so fast that the way to it is most of the time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

MODEL_NAME: Final = "chat"
START_S: Final = 300.0
END_S: Final = 20.0
ENGINE: Final[dict[str, Any]] = {"max_num_seqs": 64, "dtype": "float32", "enforce_eager": True, "max_model_len": 512}
ENV: Final = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
}
ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
DIRECT: Final = {"RAY_SERVE_LLM_ENABLE_DIRECT_STREAMING": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"}
_BENCH: Final = (
    "from vllm.benchmarks.serve import add_cli_args, main;"
    "from vllm.utils.argparse_utils import FlexibleArgumentParser as P;"
    "p = P(); add_cli_args(p); main(p.parse_args())"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server that answers."""

    name: str
    port: int
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one load measured."""

    output_tokens_per_s: float
    ttft_ms: float
    tpot_ms: float
    failed: int


@dataclass(slots=True)
class Work:
    """A folder, and the processes that end with it."""

    folder: Path
    model: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    endings: list[Callable[[], object]] = field(default_factory=list)
    """Of what is no process of ours."""

    def spawn(self, name: str, command: list[str], **env: str) -> subprocess.Popen[bytes]:
        """A process whose output goes into a file of the folder."""
        log = (self.folder / f"{name}.log").open("wb")
        process = subprocess.Popen(  # noqa: S603 (our own command line)
            command, env=os.environ | ENV | env, stdout=log, stderr=log, start_new_session=True
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End what was started and what that started, and remove the folder; what fails here keeps nothing else."""
        with contextlib.ExitStack() as endings:
            endings.callback(shutil.rmtree, self.folder, ignore_errors=True)
            endings.callback(self._end_processes)
            for ending in self.endings:
                endings.callback(ending)

    def _end_processes(self) -> None:
        families = [member for process in self.processes for member in _family(process.pid)]
        for member in families:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.terminate()
        for survivor in psutil.wait_procs(families, timeout=END_S)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                survivor.kill()


def main() -> None:
    """Starts the servers, loads them in turn, and prints."""
    chosen = _arguments()
    if chosen.serve_llm:
        serve_llm(chosen.serve_llm, chosen.model)
        return
    with working(chosen.model) as work:
        targets = [target for name in chosen.paths for target in [_started(name, work)]]
        rounds: dict[str, list[Round]] = {target.name: [] for target in targets}
        for target in targets:
            load(work, target, num=chosen.concurrency * 2, chosen=chosen)
        for number in range(chosen.rounds):
            for target in targets:
                seen = load(work, target, num=chosen.requests, chosen=chosen)
                rounds[target.name].append(seen)
                print(f"round {number + 1}  {target.name:16} {_line(seen)}", flush=True)
    print("\n".join(summary(rounds)))


def summary(rounds: dict[str, list[Round]]) -> Iterator[str]:
    """Medians over the rounds, and the median of each round's ratio to the first path."""
    first = next(iter(rounds.values()))
    yield f"{'path':16} {'tokens/s':>9} {'ratio':>6} {'TTFT':>9} {'ratio':>6} {'TPOT':>8}"
    for name, seen in rounds.items():
        rate, ttft, tpot = (_median(seen, part) for part in ("output_tokens_per_s", "ttft_ms", "tpot_ms"))
        rate_ratio = _ratio(seen, first, "output_tokens_per_s")
        ttft_ratio = _ratio(seen, first, "ttft_ms")
        yield f"{name:16} {rate:9,.0f} {rate_ratio:5.2f}x {ttft:6.1f} ms {ttft_ratio:5.2f}x {tpot:5.2f} ms"


def load(work: Work, target: Target, *, num: int, chosen: argparse.Namespace) -> Round:
    """One run of vLLM's own load generator."""
    result = work.folder / "result.json"
    command = [
        sys.executable, "-c", _BENCH, "--backend", "openai", "--base-url", f"http://127.0.0.1:{target.port}",
        "--model", MODEL_NAME, "--tokenizer", str(work.model), "--dataset-name", "random",
        "--random-input-len", str(chosen.input), "--random-output-len", str(chosen.output), "--ignore-eos",
        "--num-prompts", str(num), "--max-concurrency", str(chosen.concurrency), "--request-rate", "inf",
        "--seed", "1", "--save-result", "--result-dir", str(work.folder), "--result-filename", result.name,
    ]  # fmt: skip
    env = os.environ | ENV | {"OPENAI_API_KEY": target.key or "none"}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603
    if ran.returncode:
        raise SystemExit(f"{target.name}: the load generator ended with {ran.returncode}\n{ran.stderr[-3000:]}")
    seen = json.loads(result.read_text())
    return Round(
        output_tokens_per_s=seen["output_throughput"],
        ttft_ms=seen["median_ttft_ms"],
        tpot_ms=seen["median_tpot_ms"],
        failed=num - seen["completed"],
    )


def plain(work: Work) -> Target:
    """vLLM's own OpenAI server as it comes: it counts what raytide's replicas count too."""
    return _vllm(work, "vllm")


def bare(work: Work) -> Target:
    """The same without its statistics and its access log, which nobody runs in production."""
    return _vllm(work, "vllm bare", "--disable-log-stats", "--disable-uvicorn-access-log")


def _vllm(work: Work, name: str, *flags: str) -> Target:
    port = _free_port()
    arguments = [part for key, value in ENGINE.items() for part in _flag(key, value)]
    server = ["-m", "vllm.entrypoints.openai.api_server", "--model", str(work.model), "--port", str(port)]
    named = ["--host", "127.0.0.1", "--served-model-name", MODEL_NAME, "--distributed-executor-backend", "uni"]
    work.spawn(name, [sys.executable, *server, *named, *flags, *arguments])
    return Target(name=name, port=port)


def gateway(work: Work) -> Target:
    """raytide: a local cluster, a service with prices and limits, a key with a budget."""
    home, port, http = work.folder / "home", _free_port(), _free_port()
    cluster, service = work.folder / "cluster.yaml", work.folder / "chat.yaml"
    cluster.write_text(_CLUSTER.format(port=port, http=http))
    service.write_text(_SERVICE.format(model=work.model, engine=json.dumps(ENGINE)))
    env = {"RAYTIDE_HOME": str(home)}

    def raytide(*words: str) -> str:
        command = [sys.executable, "-c", "from raytide.cli import main; main()", *words]
        ran = subprocess.run(  # noqa: S603
            command, env=os.environ | {"RAY_AUTH_MODE": "disabled"} | env, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise SystemExit(f"raytide {' '.join(words)}: {ran.stdout}{ran.stderr}")
        return ran.stdout

    work.endings.append(lambda: raytide("local", "down"))  # also of a start that a signal breaks off
    raytide("local", "up", "--cluster", str(cluster))
    raytide("apply", str(service), "--cluster", str(cluster))
    limits = ["--requests-per-minute", "1M", "--tokens-per-minute", "1G", "--usd-per-day", "1000000"]
    key = json.loads(raytide("keys", "create", "benchmark", *limits, "--json", "--cluster", str(cluster)))
    remembered = json.loads((home / "cluster.json").read_text())
    return Target(name="raytide", port=remembered["gateway_port"], key=key["secret"])


def ray_default(work: Work) -> Target:
    """ray.serve.llm as it comes."""
    return _ray(work, "ray.serve.llm")


def ray_direct(work: Work) -> Target:
    """ray.serve.llm with direct streaming behind HAProxy."""
    return _ray(work, "ray direct", **DIRECT)


PATHS: Final[dict[str, Callable[[Work], Target]]] = {
    "vllm": plain,
    "vllm-bare": bare,
    "raytide": gateway,
    "ray": ray_default,
    "ray-direct": ray_direct,
}


def serve_llm(port: int, model: str) -> None:
    """Runs ray.serve.llm in this process until it is ended."""
    import ray
    from ray import serve
    from ray.serve.llm import LLMConfig, build_openai_app

    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, _temp_dir=tempfile.mkdtemp(prefix="rsl"))
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    config = LLMConfig(
        model_loading_config={"model_id": MODEL_NAME, "model_source": model},
        engine_kwargs=ENGINE,
        accelerator_config={"kind": "cpu"},
        deployment_config={"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}},
        runtime_env={"env_vars": {name: value for name, value in ENV.items() if name.startswith(("VLLM", "OMP"))}},
    )
    ingress = {} if "RAY_SERVE_LLM_ENABLE_DIRECT_STREAMING" in os.environ else {"num_replicas": 1}
    arguments: dict[str, Any] = {"llm_configs": [config]}
    if ingress:
        arguments["ingress_deployment_config"] = ingress
    serve.run(build_openai_app(arguments), blocking=True)


@contextlib.contextmanager
def working(model: str | None) -> Iterator[Work]:
    """A folder of its own, removed with everything that was started, also where a signal ends this process."""
    for number in ENDING:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="rtsp"))
    work = Work(folder=folder, model=Path(model) if model else folder / "model")
    try:
        if model is None:
            random_llama(work.model)
        yield work
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)  # a second one would leave what is not ended yet
        work.end()


def random_llama(folder: Path) -> None:
    """A Llama of 2 layers and a tokenizer of 2,000 tokens, trained on this repository's own words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    words = (file.read_text() for file in Path(__file__).parent.glob("*.py"))
    tokenizer.train_from_iterator(words, trainer)
    marks = {"bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2000, hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=512, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def _ray(work: Work, name: str, **env: str) -> Target:
    port = _free_port()
    work.spawn(name, [sys.executable, __file__, "--serve-llm", str(port), "--model", str(work.model)], **env)
    return Target(name=name, port=port)


def _started(name: str, work: Work) -> Target:
    target = PATHS[name](work)
    began_s = time.monotonic()
    while time.monotonic() - began_s < START_S:
        if any(process.poll() is not None for process in work.processes):
            break
        with contextlib.suppress(OSError, ValueError):
            url = f"http://127.0.0.1:{target.port}/v1/models"
            with urllib.request.urlopen(url, timeout=5) as answer:
                if json.load(answer)["data"]:
                    print(f"{target.name} answers after {time.monotonic() - began_s:.0f} s", flush=True)
                    return target
        time.sleep(1)
    logs = {file.name: file.read_text()[-3000:] for file in work.folder.glob("*.log")}
    raise SystemExit("\n".join([f"{target.name} does not answer", *(f"{name}:\n{log}" for name, log in logs.items())]))


def _family(pid: int) -> list[psutil.Process]:
    """The process and its descendants, those that have left its session included."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _flag(name: str, value: object) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    return [flag] if value is True else [flag, str(value)]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _median(seen: list[Round], part: str) -> float:
    return statistics.median(getattr(each, part) for each in seen)


def _ratio(seen: list[Round], first: list[Round], part: str) -> float:
    pairs = zip(seen, first, strict=True)
    return statistics.median(getattr(each, part) / getattr(base, part) for each, base in pairs)


def _line(seen: Round) -> str:
    failed = f", {seen.failed} failed" if seen.failed else ""
    return (
        f"{seen.output_tokens_per_s:7,.0f} tokens/s, TTFT {seen.ttft_ms:6.1f} ms, TPOT {seen.tpot_ms:5.2f} ms{failed}"
    )


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--paths", nargs="+", choices=PATHS, default=["vllm", "raytide"])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--requests", type=int, default=320)
    arguments.add_argument("--concurrency", type=int, default=16)
    arguments.add_argument("--input", type=int, default=64)
    arguments.add_argument("--output", type=int, default=64)
    arguments.add_argument("--model", help="a folder with a Hugging Face model")
    arguments.add_argument("--serve-llm", type=int, metavar="PORT", help=argparse.SUPPRESS)
    return arguments.parse_args()


_CLUSTER: Final = """\
apiVersion: raytide/v1
kind: Cluster
metadata: {{name: benchmark}}
spec:
  gateway: {{port: {port}}}
  http: {{port: {http}}}
  pools: [{{name: cpu, accelerator: CPU, cpus_per_node: 2, memory_per_node: 16GiB, price: $0.1/h, max_nodes: 1}}]
"""
_SERVICE: Final = """\
apiVersion: raytide/v1
kind: Service
metadata: {{name: chat}}
spec:
  model: {{source: {model}}}
  engine: {{kind: vllm, args: {engine}}}
  hardware: [{{accelerator: CPU, cpus: 1}}]
  objectives: {{ttft: {{p95: 5s}}, tpot: {{p95: 1s}}}}
  access: {{api_keys: required, requests_per_minute: 1M, prices: {{input: $0.15/Mtok, output: $0.6/Mtok}}}}
"""

if __name__ == "__main__":
    main()

"""What dashboards and alerts ask, of a cluster that runs: every metric and label is there, and Prometheus answers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from raytide.manifests.platform import read_platform
from raytide.manifests.render.objects import objects
from raytide.operator.local.ports import free_ports
from raytide.operator.local.record import recall

from .conftest import SMALL_RUN, Cluster, command
from .steady_load import SteadyLoad

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
PLATFORM = """\
apiVersion: raytide/v1
kind: Cluster
metadata: {name: watched}
spec:
  kubernetes:
    namespace: ml
    monitoring: prometheus
    images: {cpu: "registry.example.com/raytide:0.1.0-cpu", gpu: "registry.example.com/raytide:0.1.0-gpu"}
  pools:
    - {name: cpu, accelerator: CPU, cpus_per_node: 8, memory_per_node: 32GiB, price: $0.4/h, min_nodes: 1, max_nodes: 2}
"""
WATCHED = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: watched}
spec:
  model: {source: none}
  engine: {kind: emulated, args: {max_num_seqs: 8}}
  route: /watched
  hardware:
    - accelerator: CPU
      cpus: 0.1
      cold_start: 3s
      performance: {iteration: {base: 5ms, per_prefill_token: 10us}, kv_capacity_tokens: 100000}
  objectives: {ttft: {p95: 3s}, tpot: {p95: 200ms}}
  budget: {max_usd_per_hour: 5}
  scaling: {min_replicas: 2, max_replicas: 2, interval: 1s}
  access: {api_keys: optional, prices: {input: $1/Mtok, output: $2/Mtok}}
  traffic: {classes: [{name: paid, priority: 1}, {name: free, priority: 0}]}
"""
_SELECTOR = re.compile(r"((?:ray_)?raytide_[a-z_]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Watched:
    """Where the cluster's metrics are, and what is asked of them."""

    targets: tuple[str, ...]
    discovery: Path
    gateway: str
    questions: tuple[str, ...]

    def samples(self) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        """Names and labels of all that is exported now."""
        found = set()
        for target in self.targets:
            text = httpx.get(f"http://{target}/metrics", timeout=30, trust_env=False).text
            for family in text_string_to_metric_families(text):
                found |= {(each.name, frozenset(each.labels.items())) for each in family.samples}
        return found


class Load(SteadyLoad):
    """Enough to be forecast."""

    def __init__(self, url: str) -> None:
        super().__init__({"watched": 4.0})
        self._url = f"{url}/v1/completions"

    async def ask(self, http: httpx.AsyncClient, name: str) -> None:
        await http.post(self._url, json={"model": name, "prompt": [1, 2], "max_tokens": 3, "stream": True})


@pytest.fixture(scope="module")
def training(cluster: Cluster, data: Path) -> Iterator[None]:
    """A run that goes on until it is stopped."""
    endless = [*SMALL_RUN[:2], "steps=1000000", "checkpoint_every=100000", "workers=1"]
    at, run = ["--address", cluster.address], "watched-run"
    job = command("train", "output=runs/watched", *endless)
    submitted = cluster.run(["ray", "job", "submit", *at, "--no-wait", "--submission-id", run, "--", *job])
    assert submitted.returncode == 0, submitted.stderr
    yield
    assert cluster.run(["ray", "job", "stop", *at, run]).returncode == 0


@pytest.fixture(scope="module")
def watched(cluster: Cluster, training: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "cluster.yaml").write_text(PLATFORM)
    local = recall(cluster.home)
    assert local
    discovery = Path(local.temp_dir) / "prom_metrics_service_discovery.json"
    with cluster.serving("watched", WATCHED, folder) as url, Load(url):
        targets = [target for group in json.loads(discovery.read_text()) for target in group["targets"]]
        gateway = url.removeprefix("http://")
        _lose_a_replica(cluster, url)
        yield Watched((*targets, gateway), discovery, gateway, tuple(_questions(folder)))


def _lose_a_replica(cluster: Cluster, url: str) -> None:
    """The brain has seen it serve, sees it gone, and then the start of the one in its place."""
    deadline_s = time.monotonic() + 120
    status = f"{url}/raytide/status?service=watched"
    while [each["ready"] for each in httpx.get(status, timeout=30, trust_env=False).json()["variants"]] != [2]:
        assert time.monotonic() < deadline_s
        time.sleep(0.5)
    done = cluster.submit(["python", "-m", "raytide.operator.drill.fault", "kill-replica", "watched", "0"])
    assert done.returncode == 0, done.stdout


def _questions(folder: Path) -> Iterator[str]:
    for one in objects(read_platform(folder / "cluster.yaml", [folder / "watched.yaml"])):
        asked: list[str] = []
        if one.kind == "PrometheusRule":
            asked = [rule["expr"] for group in one.value["spec"]["groups"] for rule in group["rules"]]
        elif one.name.endswith("-dashboard"):
            (text,) = one.value["data"].values()
            asked = [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]
        yield from (each.replace("$service", "watched").replace("$__rate_interval", "1m") for each in asked)


def _asked(question: str) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    """Every metric of a question, with its labels: the service's value, and any of the others."""
    grouped = {label.strip() for labels in re.findall(r"by \(([^)]+)\)", question) for label in labels.split(",")}
    for metric, matchers in _SELECTOR.findall(question):
        labels: dict[str, str | None] = dict.fromkeys(grouped)
        for name, value in _MATCHER.findall(matchers):
            labels[name] = value if name == "service" else None
        yield metric, labels


def _is_there(
    metric: str, labels: Mapping[str, str | None], samples: set[tuple[str, frozenset[tuple[str, str]]]]
) -> bool:
    def has(found: Mapping[str, str]) -> bool:
        return all(found.get(name) and value in (None, found[name]) for name, value in labels.items())

    return any(name == metric and has(dict(found)) for name, found in samples)


def test_every_metric_and_label_that_is_asked_for_is_exported(watched: Watched) -> None:
    assert len(watched.questions) > 25
    asked = [each for question in watched.questions for each in _asked(question)]
    assert len(asked) >= len(watched.questions)
    deadline_s = time.monotonic() + 500  # a forecast takes two minutes of load
    while missing := [each for each in asked if not _is_there(*each, watched.samples())]:
        assert time.monotonic() < deadline_s, missing
        time.sleep(2)


def test_a_real_prometheus_answers_every_question(watched: Watched, tmp_path: Path) -> None:
    if not shutil.which("prometheus"):
        pytest.skip("needs Prometheus: install the distribution's package")
    (port,) = free_ports(1)
    (tmp_path / "prometheus.yml").write_text(
        json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {"job_name": "ray", "file_sd_configs": [{"files": [str(watched.discovery)]}]},
                {"job_name": "gateway", "static_configs": [{"targets": [watched.gateway]}]},
            ],
        })
    )  # fmt: skip
    command = ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30, trust_env=False) as prometheus:
            _until_scraped(prometheus)
            answers = {each: prometheus.get("/query", params={"query": each}).json() for each in watched.questions}
        assert {each: answer for each, answer in answers.items() if answer["status"] != "success"} == {}
        now = [each for each, answer in answers.items() if answer["data"]["result"]]
        assert sum("raytide_gateway" in each for each in now) >= 5
        assert sum("ray_raytide" in each for each in now) >= 6
    finally:
        running.terminate()
        running.wait(30)


def _until_scraped(prometheus: httpx.Client, timeout_s: float = 120) -> None:
    """Two scrapes of the gateway, so that rates have a value, and one of the brain's metrics."""
    wanted = ("count_over_time(raytide_gateway_requests_total[5m]) >= 2", "ray_raytide_desired_replicas")
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            if all(prometheus.get("/query", params={"query": each}).json()["data"]["result"] for each in wanted):
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline_s
        time.sleep(1)

"""A pipeline on real files: its jobs are done in this process, by what a real one leaves behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from raytide.core.errors import GateFailed, RunFailed
from raytide.core.home import below_home, home
from raytide.jobs.artefact import write_json, write_text
from raytide.jobs.pipeline.declared import read_pipeline
from raytide.jobs.pipeline.jobs import JobState, RayJobs, own_environment
from raytide.jobs.pipeline.run import run
from raytide.jobs.registry import promote, register, resolve, versions

PIPELINE = """\
apiVersion: raytide/v1
kind: Pipeline
metadata: {name: flow}
spec:
  steps:
    - {name: data, spec: {task: preprocess, corpus: {source: corpus}, output: data/flow}}
    - {name: train, spec: {task: train, data: data/flow, output: runs/flow, steps: 3}}
    - name: evaluate
      spec:
        {task: evaluate, data: data/flow, model: runs/flow/export, report: reports/flow.json, registry: {name: flow}}
    - {name: promote, promote: {step: evaluate}}
    - name: sorry
      spec: {task: preprocess, corpus: {source: corpus}, output: data/sorry}
      needs: [evaluate]
      when: refused
"""


class Killed(BaseException):
    """The pipeline's process is gone from one moment to the next."""


class Desk:
    """Jobs that are done when they are submitted; the data are a hash of the corpus, and a model one of its data."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.commands: list[str] = []
        self.states: dict[str, JobState] = {}
        self.passes = True
        self.fails: set[str] = set()
        self.is_killed_after: str | None = None
        self.files: list[str] = []
        """Of data, beside their manifest."""
        self.is_away = 0
        """So often it does not hear what is submitted."""
        self.refuses = ""

    @property
    def steps(self) -> list[str]:
        """The steps that were submitted since this was last asked."""
        steps = [job.split("-")[1] for job in self.submitted]
        self.submitted = []
        return steps

    def submit(self, job: str, entrypoint: str, labels: Mapping[str, str]) -> None:
        assert job not in self.states, "Ray refuses a second job of the same name"
        if labels["raytide-step"] == self.refuses:
            raise RunFailed("Ray refused it")
        if self.is_away:
            self.is_away -= 1
            return
        self.submitted.append(job)
        self.commands.append(entrypoint)
        self.states[job] = JobState("failed", 1) if labels["raytide-step"] in self.fails else self._done(entrypoint)
        if labels["raytide-step"] == self.is_killed_after:
            raise Killed

    def state(self, job: str) -> JobState:
        return self.states.get(job, JobState("absent"))

    def last_line(self, job: str) -> str:
        return "The disk is full; free some." if self.states[job].state == "failed" else "done"

    def stop(self, job: str) -> None:
        self.states[job] = JobState("failed")

    def _done(self, entrypoint: str) -> JobState:
        words = entrypoint.split()
        if words[0] == "raytide":
            promote(words[3], words[4], words[6])
            return JobState("succeeded", 0)
        spec = json.loads(Path(words[3]).read_text())["spec"]
        return getattr(self, spec["task"])(spec)  # type: ignore[no-any-return]

    def preprocess(self, spec: dict[str, Any]) -> JobState:
        text = (below_home(spec["corpus"]["source"]) / "a.txt").read_text()
        folder, names = below_home(spec["output"]), self.files
        for name in names:
            write_text(folder / name, text)
        if not (folder / "manifest.json").exists():
            written = {"data_hash": text, "made_from": {"sequence_length": 16}, "sha256": dict.fromkeys(names, "0")}
            write_json(folder / "manifest.json", written)
        return JobState("succeeded", 0)

    def train(self, spec: dict[str, Any]) -> JobState:
        data = json.loads((below_home(spec["data"]) / "manifest.json").read_text())["data_hash"]
        lineage = {"steps": spec["steps"], "final_loss": 1.5, "data_hash": data}
        write_json(below_home(spec["output"]) / "export" / "lineage.json", lineage)
        return JobState("succeeded", 0)

    def evaluate(self, spec: dict[str, Any]) -> JobState:
        registered = None
        if self.passes:
            made = register("flow", below_home(spec["model"]), metrics={}, tags={}, alias="candidate")
            registered = {"name": "flow", "version": made.version, "alias": "candidate"}
        report = {"passed": self.passes, "reasons": ["2.0 times better"], "registered": registered}
        write_json(below_home(spec["report"]), report)
        return JobState("succeeded", 0) if self.passes else JobState("failed", GateFailed.exit_code)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty registry, whose tables take MLflow seconds to make."""
    home = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYTIDE_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert versions("flow") == ()
    return home / "registry.db"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def file(tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    corpus(tmp_path, "first")
    shutil.copy(registry, tmp_path / "home")
    written = tmp_path / "flow.yaml"
    written.write_text(PIPELINE)
    return written


def corpus(folder: Path, text: str) -> None:
    (folder / "home" / "corpus").mkdir(parents=True, exist_ok=True)
    (folder / "home" / "corpus" / "a.txt").write_text(text)


def go(file: Path, desk: Desk) -> list[str]:
    run(read_pipeline(file), desk, sleep=lambda _: None)
    return desk.steps


def test_a_second_run_makes_nothing_again_though_what_serves_has_changed_by_the_first(file: Path, desk: Desk) -> None:
    assert go(file, desk) == ["data", "train", "evaluate", "promote"]
    assert resolve("registry:flow@production").version == 1
    assert go(file, desk) == []


def test_what_is_made_from_other_things_is_made_beside_and_what_is_not_is_found(
    file: Path, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    go(file, desk)
    assert "data: new; job flow-data-" in capsys.readouterr().out
    file.write_text(PIPELINE.replace("steps: 3", "steps: 4"))
    assert go(file, desk) == ["train", "evaluate", "promote"]
    assert "train: changed: settings; job flow-train-" in capsys.readouterr().out
    assert len(list((home() / "runs").iterdir())) == 2
    file.write_text(PIPELINE)
    assert go(file, desk) == ["evaluate"], "the first model again, beside another one in production"


def test_data_that_are_the_same_again_train_nothing_anew(file: Path, desk: Desk) -> None:
    go(file, desk)
    (home() / "corpus" / "b.txt").write_text("the desk does not read this")
    assert go(file, desk) == ["data"]


def test_a_result_that_was_deleted_is_made_again(file: Path, desk: Desk) -> None:
    go(file, desk)
    (report,) = (home() / "reports").iterdir()
    report.unlink()
    assert go(file, desk) == ["evaluate"]


@pytest.mark.parametrize("left", ["", '{"passed": true, "rea', "[]", "{}", '{"registered": 1, "passed": 1}'])
def test_a_result_that_was_cut_in_half_is_made_again(file: Path, desk: Desk, left: str) -> None:
    go(file, desk)
    (report,) = (home() / "reports").iterdir()
    report.write_text(left)
    assert go(file, desk) == ["evaluate"]


def test_data_of_which_a_file_is_gone_are_not_taken_for_a_result(file: Path, desk: Desk) -> None:
    desk.files = ["train/0.bin"]
    go(file, desk)
    (folder,) = (home() / "data").glob("flow-*")
    (folder / "train" / "0.bin").unlink()
    assert go(file, desk) == ["data"]
    (folder / "train" / "0.bin").unlink()
    desk.files = []
    with pytest.raises(RunFailed, match=r"data failed: what lies in data/flow-\w+ is not whole; delete that"):
        go(file, desk)


@pytest.mark.parametrize("left", ["", '{"inputs": {"co', "[]", "{}", '{"inputs": {}, "job": 1, "began_s": "x"}'])
def test_a_record_that_was_cut_in_half_takes_nothing_with_it(file: Path, desk: Desk, left: str) -> None:
    go(file, desk)
    for step in ("data", "train", "promote"):
        (record,) = (home() / "pipelines" / "flow" / step).glob("*.record.json")
        record.write_text(left)
    assert go(file, desk) == [], "jobs are found by their names"


def test_a_job_that_nobody_took_is_submitted_again(file: Path, desk: Desk) -> None:
    desk.is_away = 3
    assert go(file, desk) == ["data", "train", "evaluate", "promote"]
    assert desk.is_away == 0


def test_a_job_that_is_refused_fails_its_step_alone(file: Path, desk: Desk) -> None:
    desk.refuses = "train"
    with pytest.raises(RunFailed, match="train failed: Ray refused it"):
        go(file, desk)
    assert desk.steps == ["data"]
    desk.refuses = ""
    assert go(file, desk) == ["train", "evaluate", "promote"]


def test_a_gate_that_says_no_ends_what_needs_it_and_begins_what_is_for_that(
    file: Path, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.passes = False
    with pytest.raises(GateFailed, match="evaluate"):
        go(file, desk)
    assert desk.steps == ["data", "train", "evaluate", "sorry"]
    assert "promote: blocked: the gate of evaluate said no" in capsys.readouterr().out
    with pytest.raises(GateFailed):
        go(file, desk)
    assert desk.steps == [], "it would say no again"


def test_a_failed_step_is_said_in_its_own_words_and_tried_again_by_the_next_run(file: Path, desk: Desk) -> None:
    desk.fails = {"train"}
    with pytest.raises(RunFailed, match="train failed: The disk is full"):
        go(file, desk)
    assert desk.steps == ["data", "train"]
    desk.fails = set()
    assert go(file, desk) == ["train", "evaluate", "promote"]


@pytest.mark.parametrize("step", ["data", "train", "evaluate", "promote"])
def test_a_pipeline_that_was_killed_takes_the_job_that_went_on_without_it(file: Path, desk: Desk, step: str) -> None:
    desk.is_killed_after = step
    with pytest.raises(Killed):
        go(file, desk)
    before = desk.steps
    desk.is_killed_after = None
    assert [*before, *go(file, desk)] == ["data", "train", "evaluate", "promote"]


def test_a_stopped_pipeline_stops_its_jobs(file: Path, desk: Desk) -> None:
    desk.preprocess = lambda spec: JobState("running")  # type: ignore[method-assign]

    def stop(seconds: float) -> None:
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        run(read_pipeline(file), desk, sleep=stop)
    assert [state.state for state in desk.states.values()] == ["failed"]


def test_what_a_step_reads_and_is_not_there_fails_that_step_alone(file: Path, desk: Desk) -> None:
    file.write_text(PIPELINE.replace("source: corpus}, output: data/sorry", "source: absent}, output: data/sorry"))
    go(file, desk)
    file.write_text(PIPELINE.replace("source: corpus}, output: data/flow", "source: absent}, output: data/flow"))
    with pytest.raises(RunFailed, match=r"data failed: The corpus .*absent cannot be read"):
        go(file, desk)


def test_a_model_is_promoted_through_a_service_as_it_is_declared(file: Path, desk: Desk, repository: Path) -> None:
    service = file.with_name("chat.yaml")
    text = (repository / "services" / "chat.yaml").read_text()
    service.write_text(text)
    file.write_text(PIPELINE.replace("{step: evaluate}", "{step: evaluate, through: chat.yaml}"))
    go(file, desk)
    assert desk.commands[-1] == f"raytide models promote flow 1 --alias production --through {service}"
    assert go(file, desk) == []
    service.write_text(text.replace("max_replicas: 2", "max_replicas: 3"))
    assert go(file, desk) == ["promote"]


def test_a_step_runs_where_the_pipeline_does(file: Path) -> None:
    told = json.dumps({"runtime_env": {"working_dir": "gcs://a.zip", "env_vars": {"TEAM": "a"}}, "metadata": {}})
    environment = own_environment({"RAY_JOB_CONFIG_JSON_ENV_VAR": told}, "http://head:8265")
    assert environment == {
        "working_dir": "gcs://a.zip",
        "env_vars": {"TEAM": "a", "RAYTIDE_HOME": str(home()), "RAY_API_SERVER_ADDRESS": "http://head:8265"},
    }


class Version(BaseHTTPRequestHandler):
    """As much of a dashboard as a client asks for before anything else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "4", "ray_version": "2.60.0", "ray_commit": ""}')

    def log_message(self, *_: Any) -> None:
        pass


def test_a_dashboard_that_is_away_for_a_while_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Version) as server:
        Thread(target=server.serve_forever).start()
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://127.0.0.1:{server.server_port}")
        jobs = RayJobs()
        server.shutdown()
    jobs.submit("flow-data-1", "true", {})
    assert (jobs.state("flow-data-1"), jobs.last_line("flow-data-1")) == (JobState("unknown"), "")
    jobs.stop("flow-data-1")

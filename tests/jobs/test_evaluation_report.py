from pathlib import Path

import numpy as np

from raytide.jobs.evaluate.gate import Scores, Verdict
from raytide.jobs.evaluate.held_out import domain_of
from raytide.jobs.evaluate.page import html_of
from raytide.jobs.evaluate.pairwise import Judged
from raytide.jobs.evaluate.plots import loss_plot
from raytide.jobs.evaluate.report import Evaluation, report_of
from raytide.jobs.evaluate.score import DocumentScore, Score
from raytide.jobs.train.metrics import StepMetrics

METRICS = [
    StepMetrics(
        step=step, loss=3.0 / step, learning_rate=0.1, gradient_norm=1.0, tokens=step, tokens_per_s=100.0,
        elapsed_s=step, workers=1, worker_s=step, position=step, samples_checksum=0, memory_bytes=1,
    )
    for step in (1, 2, 3)
]  # fmt: skip


def evaluation() -> Evaluation:
    rng = np.random.default_rng(0)
    documents = tuple(
        DocumentScore(domain=domain, nll_nats=float(rng.normal(1000, 100)), tokens=300, bytes=1000)
        for domain in ("email", "json", "json")
        for _ in range(10)
    )
    scores = Scores(text=Score(documents=documents), right={"quiz": [True, True, False]})
    return Evaluation(
        model=Path("runs/<chat>/export"),
        data_hash="d1",
        lineage={"data_hash": "d1"},
        scores={"untrained": Scores(text=scores.text), "trained": scores, "production": scores},
        verdict=Verdict(passed=False, reasons=("5.0% worse & more",)),
        production_version=3,
        seed=0,
        judged=Judged(by="a judge", beside="production", won=(True, True, False), lost=(False, False, True), unclear=0),
    )


def test_domains_are_apart_and_make_up_the_whole() -> None:
    report = report_of(evaluation())
    domains = report["domains"]["trained"]
    assert list(domains) == ["json", "email"]
    assert sum(entry["bytes"] for entry in domains.values()) == report["scores"]["trained"]["bytes"]
    for entry in (report["scores"]["trained"], *domains.values()):
        assert entry["bits_per_byte_interval"]["low"] < entry["bits_per_byte"] < entry["bits_per_byte_interval"]["high"]


def test_tasks_are_told_for_the_models_that_were_asked() -> None:
    tasks = report_of(evaluation())["tasks"]
    assert list(tasks) == ["trained", "production"]
    assert tasks["trained"]["quiz"]["accuracy"] == 0.6667


def test_a_loss_is_shown_in_what_it_is_a_mean_over() -> None:
    preferred = [StepMetrics(**entry, reward_margin=0.5) for entry in METRICS]
    assert "loss, nats per token" in loss_plot(METRICS)
    assert "loss, nats per pair of answers" in loss_plot(preferred)


def test_the_page_says_why_and_needs_nothing_from_anywhere() -> None:
    page = html_of(report_of(evaluation()), METRICS)
    assert "Refused: not registered." in page
    assert "5.0% worse &amp; more" in page
    assert "runs/&lt;chat&gt;/export" in page
    assert page.count("<svg") == 3
    assert "src=" not in page
    assert 'href="http' not in page


def test_the_same_report_is_the_same_page() -> None:
    assert html_of(report_of(evaluation()), []) == html_of(report_of(evaluation()), [])


def test_a_document_belongs_to_the_first_folder_of_its_path() -> None:
    assert [domain_of(source) for source in ("email/mime/text.py", "abc.py")] == ["email", "."]


def test_what_a_judge_found_is_in_the_report_and_on_the_page() -> None:
    report = report_of(evaluation())
    found = report["pairwise"]
    assert {name: found[name] for name in ("won", "lost", "tied", "prompts")} == {
        "won": 2,
        "lost": 1,
        "tied": 0,
        "prompts": 3,
    }
    assert found["won_of_decided"]["low"] < 2 / 3 < found["won_of_decided"]["high"]
    assert "Judged by a judge" in html_of(report, METRICS)

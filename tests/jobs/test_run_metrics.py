from pathlib import Path

from raytide.jobs.train.metrics import FILE, StepMetrics, append_metrics, drop_metrics_after, read_metrics


def entry(step: int) -> StepMetrics:
    return StepMetrics(
        step=step,
        loss=1.0,
        learning_rate=0.1,
        gradient_norm=1.0,
        tokens=step,
        tokens_per_s=1.0,
        elapsed_s=step,
        workers=1,
        worker_s=step,
        position=step,
        samples_checksum=0,
        memory_bytes=1,
    )


def test_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        append_metrics(tmp_path, entry(step))
    drop_metrics_after(tmp_path, 20)
    append_metrics(tmp_path, entry(30))
    assert [line["step"] for line in read_metrics(tmp_path)] == [10, 20, 30]


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    append_metrics(tmp_path, entry(10))
    with (tmp_path / FILE).open("a") as file:
        file.write('{"step": 2')
    assert [line["step"] for line in read_metrics(tmp_path)] == [10]


def test_a_run_that_has_not_started_has_no_metrics(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []

from __future__ import annotations

import pytest

from raytide.autoscaling.performance.serving_point import ServingPoint
from raytide.autoscaling.performance.silicon import KEY, SiliconUnreadable, read_silicon

HEADER = ",".join((*KEY, "mode", "isl", "osl", "concurrency", "silicon_ttft_ms", "silicon_tpot_ms"))


def row(mode: str = "agg", concurrency: str = "8", tpot: str = "20", precision: str = "fp8") -> str:
    return f"llama,h100,{precision},vllm,0.12,2,1,,1,1,{mode},1024,128,{concurrency},150,{tpot}"


def test_rows_become_points_of_their_configuration() -> None:
    one, other = read_silicon([HEADER, row(), row(concurrency="16"), row(precision="")], name="points.csv")
    assert one.model == "llama"
    assert other.key[2] == ""
    assert one.points[0] == ServingPoint(concurrency=8, prompt_tokens=1024, output_tokens=128, tpot_s=0.02, ttft_s=0.15)
    assert len(one.points) == 2


def test_a_repeated_row_counts_once_and_a_repeated_measurement_twice() -> None:
    (found,) = read_silicon([HEADER, row(), row(), row(tpot="21")], name="points.csv")
    assert [point.tpot_s for point in found.points] == [0.02, 0.021]


@pytest.mark.parametrize("left_out", [row(mode="disagg"), row(concurrency="")])
def test_rows_that_say_nothing_of_one_engine_are_left_out(left_out: str) -> None:
    assert read_silicon([HEADER, left_out], name="points.csv") == ()


def test_configurations_with_too_few_points_are_left_out() -> None:
    assert read_silicon([HEADER, row()], name="points.csv", at_least=2) == ()


@pytest.mark.parametrize("tpot", ["fast", "0", "-1", "nan", "inf", ""])
def test_a_cell_that_is_no_positive_number_is_named_with_its_line(tpot: str) -> None:
    with pytest.raises(SiliconUnreadable, match=r"points\.csv:3: silicon_tpot_ms is "):
        read_silicon([HEADER, row(), row(tpot=tpot)], name="points.csv")


def test_an_absent_column_is_named() -> None:
    with pytest.raises(SiliconUnreadable, match=r"points\.csv has no column silicon_tpot_ms"):
        read_silicon([HEADER.removesuffix(",silicon_tpot_ms")], name="points.csv")

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.optimise.budget import ClassLoad, shed

CLASSES = st.lists(
    st.builds(
        ClassLoad,
        name=st.uuids().map(str),
        work=st.floats(0.1, 9),
        priority=st.integers(0, 2),
        value_per_work=st.floats(0.1, 9),
    ),
    max_size=5,
).map(tuple)


@given(classes=CLASSES, capacity=st.floats(0, 40))
def test_a_class_is_served_only_where_all_above_it_are(classes: tuple[ClassLoad, ...], capacity: float) -> None:
    kept = shed(classes, capacity)
    total = sum(one.work for one in classes)
    assert sum(one.work * kept.served[one.name] for one in classes) == pytest.approx(min(capacity, total))
    assert kept.shed_work == pytest.approx(max(0.0, total - capacity), abs=1e-9)
    for low in classes:
        for high in classes:
            above = (high.priority, high.value_per_work) > (low.priority, low.value_per_work)
            assert not above or kept.served[low.name] == 0 or kept.served[high.name] == 1


def test_the_value_of_more_capacity_is_that_of_the_first_class_left_out() -> None:
    paid = ClassLoad(name="paid", work=4.0, priority=1, value_per_work=3.0)
    free = ClassLoad(name="free", work=4.0, priority=0, value_per_work=1.0)
    kept = shed((free, paid), 6.0)
    assert kept.served == {"paid": 1.0, "free": 0.5}
    assert kept.value_of_more == 1.0
    assert shed((free, paid), 2.0).value_of_more == 3.0
    assert shed((free, paid), 8.0).value_of_more == 0.0

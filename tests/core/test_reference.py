from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from raytide.core.spec import KINDS, schema_of
from raytide.core.spec.reference import reference_of


def test_the_committed_reference_is_the_generated_one(golden: Callable[[Path, str], None]) -> None:
    golden(Path("docs/reference.md"), reference_of(KINDS))


def test_every_section_stands_once_and_every_link_leads_to_one() -> None:
    page = reference_of(KINDS)
    anchors = re.findall(r'<a id="([^"]+)">', page)
    sections = [f"{kind.__name__}-{name}".lower() for kind in KINDS for name in schema_of(kind)["$defs"]]
    assert sorted(anchors) == sorted(sections)
    assert set(re.findall(r"\(#([^)]+)\)", page)) <= set(anchors)


def test_a_default_is_said_as_it_is_written_and_what_must_be_there_is_said() -> None:
    page = reference_of(KINDS)
    assert "| `max_wait` | as `500ms` | `30s` |" in page
    assert "| `attainment` | number from 0 to 1 or as `99%` | `0.99` |" in page
    assert "| `hardware` | list of [Hardware](#service-hardware) | required |" in page

"""What the pages say can be done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from raytide.cli import COMMANDS, app_for

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
_CALL = re.compile(r"(?:^    |`|\| )raytide ([a-z-]+)(?: ([a-z][a-z-]*))?", re.MULTILINE)


def _is_command(first: str, second: str) -> bool:
    if first not in COMMANDS:
        return False
    command = typer.main.get_command(app_for([first])).commands[first]  # type: ignore[attr-defined]
    below = getattr(command, "commands", None)
    return not second or below is None or second in below


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_exists(page: Path, repository: Path) -> None:
    calls = set(_CALL.findall((repository / page).read_text()))
    assert [" ".join(call) for call in sorted(calls) if not _is_command(*call)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_and_file_that_a_page_links_to_is_there(page: Path, repository: Path) -> None:
    for target in re.findall(r"\]\(([^)#:\s]+)\)", (repository / page).read_text()):
        assert ((repository / page).parent / target).exists(), target

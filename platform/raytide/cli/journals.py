"""Journals on disk, as commands read them."""

from __future__ import annotations

from pathlib import Path

from raytide.core.errors import RaytideError
from raytide.core.home import home
from raytide.core.spec.suggest import nearest

FOLDER = "journal"


def journal_of(service: str) -> Path:
    """The journal of a service in the storage folder.

    Raises:
        RaytideError: there is none; the sentence names those that there are.
    """
    folder = home() / FOLDER
    path = folder / f"{service}.jsonl"
    if path.is_file():
        return path
    known = sorted(file.stem for file in folder.glob("*.jsonl") if not file.stem.endswith(".1"))
    if meant := nearest(service, known):
        raise RaytideError(f"no decision of {service!r} is in {folder}: did you mean {meant!r}?")
    which = (
        f"these are: {', '.join(known)}" if known else "no journal is there; set RAYTIDE_HOME as for `raytide apply`"
    )
    raise RaytideError(f"no decision of {service!r} is in {folder}: {which}, or name a file with --journal")


def lines_of(journal: Path) -> list[str]:
    """The lines of a journal, after those of the older file that was set aside, where there is one.

    Raises:
        RaytideError: it cannot be read.
    """
    older = journal.with_name(f"{journal.stem}.1{journal.suffix}")
    return [*(read_lines(older) if older.is_file() else ()), *read_lines(journal)]


def read_lines(journal: Path) -> list[str]:
    """The lines of one file.

    Raises:
        RaytideError: it cannot be read.
    """
    try:
        return journal.read_text("utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        where = "name a service's in $RAYTIDE_HOME/journal, or one of `raytide simulate --journal`"
        raise RaytideError(f"{journal} cannot be read: {error}; {where}") from error

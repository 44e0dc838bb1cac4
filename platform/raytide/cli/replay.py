"""`raytide journal replay JOURNAL`: whether every recorded decision would be made again, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raytide.autoscaling.journal import Entry
from raytide.cli.journals import journal_of, lines_of, read_lines
from raytide.core.errors import RaytideError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What was decided, as recorded.")


class JournalDiffers(RaytideError):
    """A recorded decision is not what the policy decides now."""


@app.command()
def replay(
    journal: Annotated[
        Path, typer.Argument(metavar="JOURNAL", help="A service's name, or a file, as of `simulate --journal`.")
    ],
) -> None:
    """Decide again what a journal records, from the observations in it, and compare every bit.

    The exit status is 1 at the first decision that differs: the policy has changed since.
    """
    from raytide.autoscaling.journal import replay as replayed

    num = 0
    for recorded, now in replayed(_lines(journal)):
        if (recorded.decision, recorded.state) != (now.decision, now.state):
            raise JournalDiffers(_difference(recorded, now))
        num += 1
    typer.echo(f"{num:,} decisions replayed, each equal in every bit")


def _lines(journal: Path) -> list[str]:
    """Of a file; of a service where no such file is there and the word is a name."""
    is_name = journal.name == str(journal) and not journal.suffix and not journal.exists()
    return lines_of(journal_of(str(journal))) if is_name else read_lines(journal)


@app.callback()
def _journal() -> None:
    return None


def _difference(recorded: Entry, now: Entry) -> str:
    then, today = (_said(entry) for entry in (recorded, now))
    what = f"{then} were recorded, {today} would be decided now" if then != today else "what was learnt differs"
    return f"the decision at {recorded.decision.at_s:g} s differs: {what}; the policy has changed since the recording"


def _said(entry: Entry) -> str:
    served = {name: share for name, share in entry.decision.served.items() if share < 1}
    return f"targets {[v.target for v in entry.decision.variants]}" + (f" and shares {served}" if served else "")

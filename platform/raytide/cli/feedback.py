"""`raytide feedback show | export`: what clients think of a service's answers, and preferences to train on."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from raytide.cli.ledgers import LedgerUrl, existing
from raytide.cli.options import AsJson, ClusterFile
from raytide.cli.values import BadOption, duration_s
from raytide.core.errors import RaytideError
from raytide.operator.site import site

if TYPE_CHECKING:
    from raytide.services.feedback.answer import Judged
    from raytide.services.feedback.preferences import Preferences

app = typer.Typer(
    help="What clients think of answers, and preferences to train on.", no_args_is_help=True, rich_markup_mode=None
)

_NOW: Final = "0s"

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name, such as chat.")]
Since = Annotated[str, typer.Option(help="How long ago it begins, as 24h or 30d.")]
Until = Annotated[str, typer.Option(help="How long ago it ends, as 1d; else now.")]


@app.command()
def show(
    service: Service,
    since: Since = "30d",
    until: Until = _NOW,
    cluster: ClusterFile = None,
    ledger: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how each revision's answers were judged, the latest revision last."""
    judged = _judged(service, since, until, ledger, cluster)
    rows = [_row(revision, answers) for revision, answers in _by_revision(judged).items()]
    typer.echo(json.dumps({"revisions": rows}, indent=2) if as_json else "\n".join(map(_line, rows)))


@app.command()
def export(
    service: Service,
    output: Annotated[Path, typer.Option(help="The folder to make, for `preferences` of a train job.")],
    since: Since = "30d",
    until: Until = _NOW,
    cluster: ClusterFile = None,
    ledger: LedgerUrl = None,
) -> None:
    """Write pairs of answers to one question, of which one was wanted, and where they come from."""
    from raytide.jobs.artefact import new_folder
    from raytide.services.feedback.preferences import preferences

    if output.exists():
        raise RaytideError(f"{output} exists; choose another --output, such as one with the day in its name")
    judged = _judged(service, since, until, ledger, cluster)
    found = preferences(judged)
    if not found.pairs:
        raise RaytideError(
            f"{len(judged)} judgements of {service!r} make no pair yet: it takes an edit, or a thumb down and another "
            "answer to the same question that is wanted"
        )
    try:
        with new_folder(output) as folder:
            _write(folder, service, judged, found)
    except OSError as error:
        raise RaytideError(f"{output} cannot be written ({error.strerror}); choose another --output") from error
    typer.echo(f"{len(found.pairs)} pairs in {output}; {found.num_unpaired} thumbs stand alone and are not in it")


def _judged(service: str, since: str, until: str, ledger: str | None, cluster: Path | None) -> list[Judged]:
    """At least one.

    Raises:
        RaytideError: there is none; the sentence says why.
    """
    from raytide.services.feedback.store import Store

    begun_s, ended_s = (time.time() - duration_s(*each) for each in (("--since", since), ("--until", until)))
    if begun_s >= ended_s:
        raise BadOption(f"--since {since} begins after --until {until} has ended; write a longer --since")
    if (engine := existing(ledger, site(None, cluster))) is None:
        raise RaytideError(_none(service, since, until, 0))
    store = Store(engine)
    if not (judged := store.judged(service, begun_s, ended_s)):
        raise RaytideError(_none(service, since, until, store.num_answers(service)))
    return judged


def _none(service: str, since: str, until: str, num_answers: int) -> str:
    if num_answers:
        times = f"within {since}" if until == _NOW else f"from {since} until {until} ago"
        return f"{num_answers} answers of {service!r} are kept and none was judged {times}"
    return (
        f"no answer of {service!r} is kept: declare `spec.feedback` of the service and apply it; if that was elsewhere,"
        " set RAYTIDE_HOME or --ledger as there"
    )


def _by_revision(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        found[one.revision].append(one)
    return found


def _row(revision: str, answers: Sequence[Judged]) -> dict[str, Any]:
    from raytide.jobs.evaluate.interval import wilson

    up, down = (sum(one.rating == rating for one in answers) for rating in ("up", "down"))
    approval = wilson(up, up + down) if up + down else None
    return {
        "revision": revision,
        "judged": len(answers),
        "up": up,
        "down": down,
        "edits": sum(one.edit is not None for one in answers),
        "approval": up / (up + down) if up + down else None,
        "interval": None if approval is None else [approval.low, approval.high],
    }


def _line(row: dict[str, Any]) -> str:
    thumbs = f"{row['up']} up, {row['down']} down, {row['edits']} edits"
    if row["approval"] is None:
        return f"{row['revision']}  {thumbs}"
    low, high = row["interval"]
    return f"{row['revision']}  {thumbs}; {row['approval']:.0%} approve ({low:.0%} to {high:.0%})"


def _write(folder: Path, service: str, judged: Sequence[Judged], found: Preferences) -> None:
    from raytide.jobs.artefact import write_json, write_text

    text = "".join(f"{line}\n" for line in _lines(found))
    write_text(folder / "preferences.jsonl", text)
    by_revision = _by_revision(judged)
    manifest = {
        "kind": "preferences",
        "service": service,
        "from_s": judged[0].judged_s,
        "until_s": judged[-1].judged_s,
        "judged": len(judged),
        "pairs": len(found.pairs),
        "unpaired": found.num_unpaired,
        "revisions": {name: sum(pair.revision == name for pair in found.pairs) for name in by_revision},
        "data_hash": hashlib.sha256(text.encode()).hexdigest(),
    }
    write_json(folder / "manifest.json", manifest)


def _lines(found: Preferences) -> Iterator[str]:
    return (json.dumps(pair.row, ensure_ascii=False) for pair in found.pairs)

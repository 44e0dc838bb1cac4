"""The ledger's database, as commands open it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from raytide.operator.site import Site

LedgerUrl = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="URL",
        envvar="RAYTIDE_LEDGER",
        help="Where keys and cost are kept. Default: spec.gateway.ledger of the cluster file, else a SQLite file.",
    ),
]


def kept_at(ledger: str | None, where: Site) -> str:
    """This URL, else the declared one, else that of the file in the storage folder."""
    from raytide.services.ledger.database import ledger_url

    declared = where.cluster.spec.gateway.ledger if where.cluster else None
    return ledger or declared or ledger_url(where.home)


def connected(ledger: str | None, where: Site) -> Any:
    """The database there, made where it is missing.

    Raises:
        LedgerUnavailable: no database answers there.
    """
    from raytide.services.ledger.database import connect

    return connect(kept_at(ledger, where))


def existing(ledger: str | None, where: Site) -> Any | None:
    """The database there; none where it is a file that nobody has made: who only reads makes none.

    Raises:
        LedgerUnavailable: no database answers there.
    """
    from raytide.services.ledger.database import connect, exists

    url = kept_at(ledger, where)
    return connect(url) if exists(url) else None

"""Opening the ledger's database: SQLite on one node, PostgreSQL for gateways on several."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from raytide.core.errors import RaytideError
from raytide.services.ledger.tables import METADATA

BUSY_TIMEOUT_S: Final = 10.0
"""How long a writer of SQLite waits for another one; a transaction takes about a millisecond."""
_POSTGRES: Final = "postgresql"
_READS: Final = "raytide_reads"


class LedgerUnavailable(RaytideError):
    """The ledger's database cannot be opened, or does not answer."""


def connect(url: str) -> Engine:
    """The database at a URL, with the ledger's tables made where they are missing.

    Raises:
        LedgerUnavailable: no database answers there, or its driver is not installed.
    """
    try:
        engine = _engine(url)
        METADATA.create_all(engine)
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise _unavailable(str(error)) from error
    return engine


def exists(url: str) -> bool:
    """Whether there is a database at a URL; of a server that is only known once it is asked, so it is true.

    Raises:
        LedgerUnavailable: it is no URL of a database.
    """
    parsed = _parsed(url)
    return parsed.get_backend_name() != "sqlite" or not parsed.database or Path(parsed.database).exists()


def reading(engine: Engine) -> Connection:
    """A connection that only reads: no writer waits for it, however long it takes, and it waits for none."""
    return engine.connect().execution_options(**{_READS: True})


def ledger_url(home: Path) -> str:
    """The URL of the ledger that is used where none is declared: a SQLite file in the storage folder."""
    return f"sqlite:///{home / 'ledger.db'}"


def _parsed(url: str) -> URL:
    """Raises without saying the URL, which may hold a password."""
    try:
        return make_url(url)
    except SQLAlchemyError as error:
        raise _unavailable(str(error)) from error
    except ValueError:
        raise _unavailable("what stands behind its host is no port") from None


def _unavailable(why: str) -> LedgerUnavailable:
    reason = why.splitlines()[0]
    return LedgerUnavailable(
        f"the ledger cannot be opened ({reason}): give a URL such as sqlite:////var/lib/raytide/ledger.db, or "
        "postgresql://user@host/raytide with psycopg installed"
    )


def _engine(url: str) -> Engine:
    parsed = _parsed(url)
    if parsed.drivername == _POSTGRES:
        parsed = parsed.set(drivername=f"{_POSTGRES}+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)  # a connection that the server has closed is replaced
    options: dict[str, Any] = {"connect_args": {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}}
    if parsed.database in (None, "", ":memory:"):
        options["poolclass"] = StaticPool
    else:
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, **options)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    """Write-ahead log: readers do not wait, and a commit is one append. A power cut may take the last commits, a
    killed process takes none.
    """
    connection.isolation_level = None  # the driver would begin transactions by itself, too late for a lock
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """The write lock at once: two transactions that both read and then want to write would end each other."""
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READS) else "BEGIN IMMEDIATE")

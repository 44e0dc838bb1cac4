"""API keys: made, listed and revoked. A key is stored as the hash of its secret, so nobody can read it back."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, RowMapping, or_, select, update
from sqlalchemy.exc import IntegrityError

from raytide.core.errors import RaytideError
from raytide.services.ledger.account import UNLIMITED, Account, Budget, Limits, of_today
from raytide.services.ledger.database import reading
from raytide.services.ledger.rows import account_of
from raytide.services.ledger.secret import hash_of, new_secret, shown
from raytide.services.ledger.tables import ANONYMOUS, KEYS

_ID_BYTES: Final = 6


class KeyUnknown(RaytideError):
    """No key has this id or name, or several share the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key with its secret, which exists nowhere else."""

    key_id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key as a list shows it."""

    account: Account
    shown: str
    """The beginning of its secret."""
    created_s: float
    revoked_s: float | None


class Keyring:
    """The keys in one database."""

    def __init__(self, engine: Engine, now_s: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._now_s = now_s

    def create(
        self, name: str, *, limits: Limits = UNLIMITED, budget: Budget | None = None, traffic_class: str | None = None
    ) -> NewKey:
        """A new key; names may repeat, ids do not."""
        made = NewKey(key_id=f"key-{secrets.token_hex(_ID_BYTES)}", secret=new_secret())
        row = _row(made.key_id, name, limits, budget, traffic_class, self._now_s())
        with self._engine.begin() as connection:
            secret = {"secret_hash": hash_of(made.secret), "shown": shown(made.secret)}
            connection.execute(KEYS.insert().values(**row, **secret))
        return made

    def admit_anonymous(self) -> None:
        """Make the account of those who come without a key, where there is none yet."""
        row = _row(ANONYMOUS, ANONYMOUS, UNLIMITED, None, None, self._now_s())
        with contextlib.suppress(IntegrityError), self._engine.begin() as connection:  # another gateway has made it
            if connection.scalar(select(KEYS.c.key_id).where(KEYS.c.key_id == ANONYMOUS)) is None:
                connection.execute(KEYS.insert().values(**row, shown=""))

    def list(self) -> list[ListedKey]:
        """Every key, oldest first, with what it has spent of a budget as of now."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(KEYS).order_by(KEYS.c.created_s, KEYS.c.key_id)).mappings().all()
        return [_listed(row, self._now_s()) for row in rows]

    def revoke(self, key: str) -> str:
        """Let a key in no more, from its next request on; returns its id. `key` is an id, or a name that is unique.

        Raises:
            KeyUnknown: no key is called so, or several are.
        """
        with self._engine.begin() as connection:
            called = or_(KEYS.c.key_id == key, (KEYS.c.name == key) & KEYS.c.revoked_s.is_(None))
            found = connection.scalars(select(KEYS.c.key_id).where(called)).all()
            if len(found) != 1:
                raise KeyUnknown(_not_one(key, found))
            unrevoked = (KEYS.c.key_id == found[0]) & KEYS.c.revoked_s.is_(None)
            connection.execute(update(KEYS).where(unrevoked).values(revoked_s=self._now_s()))
        return str(found[0])


def _not_one(key: str, found: object) -> str:
    if not found:
        return f"no key is called {key!r}; `raytide keys list` shows the ids and names"
    return f"several keys are called {key!r}: give the id of one, as `raytide keys list` shows it"


def _row(
    key_id: str, name: str, limits: Limits, budget: Budget | None, traffic_class: str | None, now_s: float
) -> dict[str, object]:
    return {
        "key_id": key_id,
        "name": name,
        "created_s": now_s,
        "traffic_class": traffic_class,
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "budget_nano_usd": budget.nano_usd if budget else None,
        "budget_period": budget.period.value if budget else None,
    }


def _listed(row: RowMapping, now_s: float) -> ListedKey:
    return ListedKey(
        account=of_today(account_of(row), now_s),
        shown=row["shown"],
        created_s=row["created_s"],
        revoked_s=row["revoked_s"],
    )

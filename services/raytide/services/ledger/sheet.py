"""Operations on accounts, one after the other, between reading them from the database and writing them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from raytide.services.ledger.account import Account, Ask, Denial, Denied, Reservation, admitted, of_today, settled
from raytide.services.ledger.usage import Outcome, Settlement, UsageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that is let in."""

    account: Account


@dataclass(kw_only=True)
class Sheet:
    """What was read, and what is to be written."""

    accounts: dict[str, Account]
    key_ids: Mapping[str | None, str]
    """By the hash of the secret; under None those who come without a key."""
    held: dict[str, Reservation] = field(default_factory=dict)
    """Open reservations by request."""
    billed: dict[str, UsageRow] = field(default_factory=dict)
    """Usage by request, of those that operations name."""
    opened: dict[str, Reservation] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    ended: dict[str, UsageRow] = field(default_factory=dict)
    corrected: list[str] = field(default_factory=list)
    """Requests whose usage is already in the database, and was wrong."""
    changed: set[str] = field(default_factory=set)

    def admit(self, ask: Ask, now_s: float) -> Admitted | Denied:
        """Let a request in, or say why not."""
        account = self._account_of(ask)
        if account is None:
            return Denied(denial=Denial.UNKNOWN_KEY)
        after = admitted(account, ask, now_s)
        if isinstance(after, Denied):
            return after
        changed, reservation = after
        self._put(changed)
        self.held[ask.request_id] = self.opened[ask.request_id] = reservation
        return Admitted(account=changed)

    def settle(self, ended: Settlement, now_s: float) -> None:
        """Bill a request and free what it held; a second time nothing happens."""
        held = self.held.pop(ended.request_id, None)
        if held is None:
            self._settle_late(ended, now_s)
            return
        tokens = ended.prompt_tokens + ended.output_tokens
        account, charged = settled(self.accounts[held.key_id], held, ended.cost_nano_usd, tokens, now_s)
        self._put(account)
        if self.opened.pop(ended.request_id, None) is None:
            self.closed.append(ended.request_id)
        self._bill(_row(ended, held.key_id, held.service, charged, now_s))

    def _settle_late(self, ended: Settlement, now_s: float) -> None:
        """A gateway that was taken for dead says the end after all: what is left of the budget pays for it."""
        lost = self.billed.get(ended.request_id)
        if lost is None or lost.outcome is not Outcome.LOST or ended.outcome is Outcome.LOST:
            return
        account = of_today(self.accounts[lost.key_id], now_s)
        left = account.left_nano_usd
        charged = ended.cost_nano_usd if left is None else min(left, ended.cost_nano_usd)
        self._put(replace(account, spent_nano_usd=account.spent_nano_usd + charged))
        if self.ended.pop(ended.request_id, None) is None:
            self.corrected.append(ended.request_id)
        self._bill(_row(ended, lost.key_id, lost.service, charged, now_s))

    def _bill(self, row: UsageRow) -> None:
        self.billed[row.request_id] = self.ended[row.request_id] = row

    def _account_of(self, ask: Ask) -> Account | None:
        key_id = self.key_ids.get(ask.secret_hash)
        return None if key_id is None else self.accounts[key_id]

    def _put(self, account: Account) -> None:
        self.accounts[account.key_id] = account
        self.changed.add(account.key_id)


def _row(ended: Settlement, key_id: str, service: str, charged_nano_usd: int, now_s: float) -> UsageRow:
    return UsageRow(
        request_id=ended.request_id,
        key_id=key_id,
        service=service,
        outcome=ended.outcome,
        prompt_tokens=ended.prompt_tokens,
        output_tokens=ended.output_tokens,
        charged_nano_usd=charged_nano_usd,
        ended_s=now_s,
    )

"""`raytide keys create | list | revoke`: who may call services, how much, and what they spent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from raytide.cli.ledgers import LedgerUrl, connected, existing
from raytide.cli.options import AsJson, ClusterFile
from raytide.cli.values import BadOption, parsed
from raytide.core.units import parse_count
from raytide.operator.site import site

if TYPE_CHECKING:
    from raytide.services.ledger.account import Account, Budget
    from raytide.services.ledger.keyring import ListedKey
    from raytide.services.ledger.usage import UsageSum

app = typer.Typer(help="API keys: who may call, and how much.", no_args_is_help=True, rich_markup_mode=None)

_LONGEST_NAME: Final = 200

Usd = Annotated[str | None, typer.Option(metavar="USD", help="Most that the key may spend, as 25 or 0.5.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will use it, as team-a.")],
    requests_per_minute: Annotated[
        str | None, typer.Option(metavar="N", help="As 600; else the service's own.")
    ] = None,
    tokens_per_minute: Annotated[str | None, typer.Option(metavar="N", help="As 200k; else the service's own.")] = None,
    usd_per_day: Usd = None,
    usd_total: Usd = None,
    traffic_class: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="As spec.traffic names it.")
    ] = None,
    cluster: ClusterFile = None,
    ledger: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, once: only a hash of it is kept."""
    from raytide.services.ledger.account import Limits

    parsed("NAME", name, _name)
    limits = Limits(
        requests_per_minute=_count("--requests-per-minute", requests_per_minute),
        tokens_per_minute=_count("--tokens-per-minute", tokens_per_minute),
    )
    budget = _budget(usd_per_day, usd_total)
    made = _keyring(ledger, cluster).create(name, limits=limits, budget=budget, traffic_class=traffic_class)
    if as_json:
        typer.echo(json.dumps({"id": made.key_id, "secret": made.secret}))
        return
    typer.echo(f"{made.key_id}  {name}\n{made.secret}\nThis is the only time the secret is shown; keep it now.")


@app.command("list")
def list_(cluster: ClusterFile = None, ledger: LedgerUrl = None, as_json: AsJson = False) -> None:
    """Show every key, oldest first, with its limits, its budget and what it used of each service."""
    from raytide.services.ledger.store import Ledger

    engine = existing(ledger, site(None, cluster))
    keys, used = (_keyring_of(engine).list(), Ledger(engine, gateway="none").usage()) if engine else ((), ())
    found = [_plain(key, [each for each in used if each.key_id == key.account.key_id]) for key in keys]
    if as_json:
        typer.echo(json.dumps({"keys": found}, indent=2))
    elif found:
        typer.echo("\n".join(_line(key) for key in found))
    else:
        typer.echo("there is no key yet; `raytide keys create NAME` makes one")


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="An id, or a name that only one key has.")],
    cluster: ClusterFile = None,
    ledger: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a key in no more, from its next request on; what it used stays on record."""
    key_id = _keyring(ledger, cluster).revoke(key)
    typer.echo(json.dumps({"id": key_id}) if as_json else f"{key_id} is revoked")


def _keyring(ledger: str | None, cluster: ClusterFile) -> Any:
    return _keyring_of(connected(ledger, site(None, cluster)))


def _keyring_of(engine: Any) -> Any:
    from raytide.services.ledger.keyring import Keyring

    return Keyring(engine)


def _count(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    count = parsed(option, text, parse_count)
    if count == 0:
        raise BadOption(f"{option} is 0; write a number above zero, or revoke the key")
    return count


def _name(text: str) -> str:
    if text.strip() == text and text.isprintable() and 0 < len(text) <= _LONGEST_NAME:
        return text
    raise ValueError(f"who will use the key, in 1 to {_LONGEST_NAME} characters, as team-a")


def _budget(per_day: str | None, total: str | None) -> Budget | None:
    from raytide.services.ledger.account import Budget, Period

    if per_day is not None and total is not None:
        raise BadOption("--usd-per-day and --usd-total exclude each other; write one of them")
    if per_day is not None:
        return Budget(nano_usd=_nano_usd("--usd-per-day", per_day), period=Period.DAY)
    return None if total is None else Budget(nano_usd=_nano_usd("--usd-total", total), period=Period.TOTAL)


def _nano_usd(option: str, text: str) -> int:
    from raytide.services.ledger.money import nano_usd

    return nano_usd(parsed(option, text, _dollars))


def _dollars(text: str) -> Decimal:
    try:
        usd = Decimal(text.removeprefix("$"))
    except InvalidOperation as error:
        raise ValueError("dollars such as 25 or 0.5") from error
    if not usd.is_finite() or not Decimal("1e-9") <= usd <= 10**9:
        raise ValueError("dollars above 0, from a billionth to a billion")
    return usd


def _plain(key: ListedKey, used: Sequence[UsageSum]) -> dict[str, Any]:
    account = key.account
    return {
        "id": account.key_id,
        "name": account.name,
        "secret_begins": key.shown,
        "created_at": _time(key.created_s),
        "revoked_at": None if key.revoked_s is None else _time(key.revoked_s),
        "class": account.traffic_class,
        "requests_per_minute": account.limits.requests_per_minute,
        "tokens_per_minute": account.limits.tokens_per_minute,
        "budget": _plain_budget(account),
        "usage": [
            {
                "service": each.service,
                "requests": each.num_requests,
                "prompt_tokens": each.prompt_tokens,
                "output_tokens": each.output_tokens,
                "charged_nano_usd": each.charged_nano_usd,
            }
            for each in used
        ],
    }


def _plain_budget(account: Account) -> dict[str, Any] | None:
    if account.budget is None:
        return None
    return {
        "period": account.budget.period.value,
        "nano_usd": account.budget.nano_usd,
        "spent_nano_usd": account.spent_nano_usd,
        "reserved_nano_usd": account.reserved_nano_usd,
    }


def _line(key: Mapping[str, Any]) -> str:
    limits = [
        f"{key[name]:,} {name.replace('_per_', '/').replace('minute', 'min')}"
        for name in ("requests_per_minute", "tokens_per_minute")
        if key[name]
    ]
    facts = [*limits, *_spent(key["budget"]), *(["revoked"] if key["revoked_at"] else [])]
    used = [f"  {each['service']}: {_used(each)}" for each in key["usage"]]
    begins = f"  {key['secret_begins']}…" if key["secret_begins"] else ""
    return "\n".join([f"{key['id']}  {key['name']}{begins}  {', '.join(facts)}".rstrip(), *used])


def _spent(budget: Mapping[str, Any] | None) -> list[str]:
    from raytide.services.ledger.money import format_usd

    if budget is None:
        return []
    of = "a day" if budget["period"] == "day" else "in total"
    return [f"{format_usd(budget['spent_nano_usd'])} of {format_usd(budget['nano_usd'])} {of} spent"]


def _used(each: Mapping[str, Any]) -> str:
    from raytide.services.ledger.money import format_usd

    tokens = f"{each['prompt_tokens']:,} prompt and {each['output_tokens']:,} output tokens"
    return f"{each['requests']:,} requests, {tokens}, {format_usd(each['charged_nano_usd'])}"


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")

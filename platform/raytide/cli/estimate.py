"""`raytide estimate`: memory, latency, accelerators and cost on the back of an envelope, with the arithmetic shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from raytide.cli.options import AsJson
from raytide.core import catalog as known
from raytide.core.catalog.errors import unknown
from raytide.core.estimate import Comparison, Errors, Estimate, Scenario, compare, read_points
from raytide.core.estimate import estimate as estimated
from raytide.core.estimate.quantity import parse_quantity
from raytide.core.spec.cluster import Market

_MARKETS: tuple[Market, ...] = ("on-demand", "spot", "reserved")


def estimate(
    model: Annotated[
        str | None, typer.Option(help="A model of the catalog, as Qwen3-32B, or a config.json of Hugging Face.")
    ] = None,
    params: Annotated[
        str | None, typer.Option(metavar="COUNT", help="Parameters of a dense model instead, as 175B.")
    ] = None,
    precision: Annotated[str, typer.Option(help=f"Of the weights: {', '.join(known.PRECISIONS)}.")] = "bf16",
    kv_precision: Annotated[str, typer.Option(help="Of the KV cache.")] = "bf16",
    accelerator: Annotated[str, typer.Option(help="As in cluster.yaml: L4, A100-80G, H100, …")] = "H100",
    tensor_parallel: Annotated[
        int | None, typer.Option(help="Accelerators of a replica. Default: the fewest that fit.")
    ] = None,
    prompt_tokens: Annotated[int, typer.Option(help="Of a request.")] = 1024,
    output_tokens: Annotated[int, typer.Option(help="Of an answer.")] = 256,
    requests_per_s: Annotated[float | None, typer.Option(help="What arrives.")] = None,
    users: Annotated[int | None, typer.Option(help="People who wait for one answer at a time, instead.")] = None,
    think_time_s: Annotated[float, typer.Option(help="From an answer to the user's next request.")] = 0.0,
    seconds_per_request: Annotated[float | None, typer.Option(help="Where known; computed otherwise.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests at once on one accelerator.")] = None,
    train_tokens: Annotated[
        str | None, typer.Option(metavar="COUNT", help="Estimate training on so many tokens, as 1T.")
    ] = None,
    gpus: Annotated[int | None, typer.Option(help="Accelerators to train on.")] = None,
    mfu: Annotated[float, typer.Option(help="Share of the FLOP/s that training achieves.")] = 0.4,
    market: Annotated[str, typer.Option(help=f"Of the price: {', '.join(_MARKETS)}.")] = "on-demand",
    usd_per_hour: Annotated[float | None, typer.Option(help="Your price of one accelerator.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="A `kind: Catalog` file with your own numbers.")] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Print the errors against measured points instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate memory, latency, accelerators and cost, and show the arithmetic.

    Needs no cluster. What is not given is worked out or has a default.
    """
    facts = known.with_overrides(catalog) if catalog else known.load()
    if against:
        _print_errors(against, facts, as_json=as_json)
        return
    gpu = facts.accelerator(accelerator)
    scenario = Scenario(
        model=_shape(model, params, facts),
        accelerator=gpu,
        price=_price(gpu.name, market, usd_per_hour, facts),
        precision=_precision(precision),
        kv_precision=_precision(kv_precision),
        tensor_parallel=tensor_parallel,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        requests_per_s=requests_per_s,
        users=users,
        think_time_s=think_time_s,
        seconds_per_request=seconds_per_request,
        concurrency=concurrency,
        train_tokens=parse_quantity(train_tokens, "train_tokens") if train_tokens else None,
        num_gpus=gpus,
        mfu=mfu,
    )
    result = estimated(scenario, facts)
    typer.echo(json.dumps(asdict(result), indent=2) if as_json else "\n".join(_lines(result)))


def _shape(model: str | None, params: str | None, facts: known.Catalog) -> known.ModelShape | None:
    if model and params:
        raise known.CatalogError("--model and --params both say what the model is; give one of them")
    if params:
        return known.assumed_shape(parse_quantity(params, "params"))
    if model is None:
        return None
    # A config.json or a folder is told from a name like org/model by being there.
    is_file = model.endswith(".json") or (Path(model) / "config.json").is_file()
    return known.read_shape(Path(model)) if is_file else facts.model(model)


def _precision(word: str) -> known.Precision:
    if word not in known.PRECISIONS:
        raise unknown("precision", word, known.PRECISIONS)
    return word


def _price(
    accelerator: str, market: str, usd_per_hour: float | None, facts: known.Catalog
) -> known.Price | known.Missing:
    if market not in _MARKETS:
        raise unknown("market", market, _MARKETS)
    if usd_per_hour is None:
        return facts.price(accelerator, market)
    if not 0 < usd_per_hour < float("inf"):
        raise known.CatalogError(f"usd_per_hour is {usd_per_hour:g}; give a price above 0")
    return known.Price(accelerator=accelerator, market=market, usd_per_hour=usd_per_hour, source="as given")


def _lines(result: Estimate) -> Iterator[str]:
    steps = [step for section in result.sections for step in section.steps]
    label_width = max(len(step.label) for step in steps)
    value_width = max(len(step.text) for step in steps)
    for section in result.sections:
        yield section.title
        for step in section.steps:
            yield f"  {step.label:<{label_width}}  {step.text:>{value_width}}  = {step.formula}"
        yield ""
    yield from result.notes


def _print_errors(file: Path, facts: known.Catalog, *, as_json: bool) -> None:
    measured = read_points(file, facts)
    rows = compare(measured.points, facts)
    if as_json:
        content = {"comparisons": [asdict(row) for row in rows], "left_out": dict(measured.left_out)}
        typer.echo(json.dumps(content, indent=2))
        return
    for line in _table(rows):
        typer.echo(line)
    typer.echo("columns were fitted to points of the same source, so their error is that of a fit, not of a prediction")
    for reason, count in sorted(measured.left_out.items(), key=lambda entry: -entry[1]):
        typer.echo(f"left out {count:>6,}: {reason}")


def _table(rows: Iterable[Comparison]) -> Iterator[str]:
    yield f"{'':<32}roofline: mean relative error{'':<10}measured column"
    heads = f"{'model':<18}{'GPU':<10}{'points':>7}{'TPOT':>9}{'(median)':>10}{'TTFT':>8}"
    yield f"{heads}{'points':>11}{'TPOT':>8}{'TTFT':>8}"
    for row in rows:
        roofline, column = row.roofline, row.column
        said = f"{row.model:<18}{row.accelerator:<10}{roofline.num_points:>7,}{roofline.tpot_mean:>9.1%}"
        said += f"{roofline.tpot_median:>10.1%}{roofline.ttft_mean:>8.0%}"
        if isinstance(column, Errors):
            said += f"    {column.num_points:>7,}{column.tpot_mean:>8.1%}{column.ttft_mean:>8.0%}"
        yield said

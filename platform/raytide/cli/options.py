"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="The dashboard, as http://127.0.0.1:8265. Default: $RAY_API_SERVER_ADDRESS, else the local cluster.",
    ),
]
ClusterFile = Annotated[
    Path | None,
    typer.Option("--cluster", help="The file that declares pools and prices. Default: platform/cluster.yaml."),
]
ServiceFile = Annotated[Path, typer.Argument(metavar="SERVICE.yaml", help="A file of kind Service.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the file, by its dotted key.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print plain data for machines.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="How long to wait for it.")]

"""The `raytide` command; a subcommand is imported only when it is the one that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import typer

from raytide.core.errors import RaytideError

COMMANDS: Final = {
    "check": ("raytide.cli.check:check", "Check YAML files without a cluster; exit 2 where one is wrong."),
    "plan": ("raytide.cli.plan:plan", "Say what apply would do, and what it may cost."),
    "apply": ("raytide.cli.plan:apply", "Make the cluster run a service as declared."),
    "render": ("raytide.cli.plan:render", "Print the Serve config of a service, for `serve deploy`."),
    "status": ("raytide.cli.status:status", "Show services, replicas, traffic, spend and scaling decisions."),
    "cost": ("raytide.cli.cost:cost", "Show who held accelerators, what that cost, and what would save."),
    "top": ("raytide.cli.top:top", "Show services, jobs and decisions, live."),
    "history": ("raytide.cli.history:history", "List the changes of a service."),
    "rollback": ("raytide.cli.history:rollback", "Run a revision of a service again that ran before."),
    "drill": ("raytide.cli.drill:drill", "Do one fault to a service that runs, and say whether it held."),
    "delete": ("raytide.cli.status:delete", "End a service; the others stay."),
    "explain": ("raytide.cli.explain:explain", "Say why a service has the size it has, and what would change it."),
    "journal": ("raytide.cli.replay:app", "Replay a journal: decide again what it records, and compare every bit."),
    "estimate": (
        "raytide.cli.estimate:estimate",
        "Estimate memory, latency, accelerators and cost, with the arithmetic shown.",
    ),
    "simulate": ("raytide.cli.simulate:simulate", "Play a trace against an autoscaling policy, and score it."),
    "compare": ("raytide.cli.compare:compare", "Compare autoscaling policies on traces, beside the cheapest plan."),
    "whatif": ("raytide.cli.whatif:whatif", "What other hardware, prices, objectives or traffic would cost."),
    "doctor": ("raytide.cli.doctor:doctor", "Check this machine: versions, ports, memory, clock; each with its fix."),
    "local": ("raytide.cli.local:app", "Start or end a Ray cluster of one node on this machine."),
    "demo": ("raytide.cli.demo:demo", "From a corpus to a served, autoscaled model, on this machine."),
    "keys": ("raytide.cli.keys:app", "Create, list and revoke API keys."),
    "feedback": ("raytide.cli.feedback:app", "What clients think of answers, and preferences to train on."),
    "models": ("raytide.cli.models:app", "List, show, trace and promote registered models."),
    "pipeline": ("raytide.cli.pipeline:app", "Say what a pipeline would run, what it would find again, and why."),
    "manifests": ("raytide.cli.manifests:app", "Render and check the Kubernetes objects of a platform, for KubeRay."),
    "operator": ("raytide.cli.operator:app", "Keep a Kubernetes cluster with KubeRay as the files declare it."),
    "schema": ("raytide.cli.schema:schema", "Print the JSON Schema of a kind, for editors."),
}
"""Name to where the command is (`module:function`, or `module:app` for a group) and its line in the help."""


def main() -> None:
    """Runs the command line; the exit status of a failure is the one that its error carries."""
    try:
        app_for(sys.argv[1:])()
    except RaytideError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # while a command was imported; typer answers for the rest
        sys.exit(130)


def app_for(args: Sequence[str]) -> typer.Typer:
    """The command line with the command that `args` ask for; the others are there in name only, for the help."""
    app = typer.Typer(
        name="raytide",
        help="The elastic platform operator for Ray: data, training and model services on one cluster.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # with rich, --help alone imports 0.1 s of it
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    asked = next((arg for arg in args if not arg.startswith("-")), None)
    for name, (target, line) in COMMANDS.items():
        command = _imported(target) if name == asked else _not_asked
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, short_help=line)
        else:
            app.command(name, short_help=line)(command)
    app.callback()(_not_asked)  # keeps the subcommand's name even where there is only one
    return app


def _imported(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def _not_asked() -> None:
    return None

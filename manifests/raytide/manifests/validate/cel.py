"""The rules that a CRD writes in CEL, by the language's own runtime."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from raytide.core.spec.mark import KeyPath
from raytide.manifests.validate.problem import Problem


def broken(rules: list[dict[str, Any]], value: Any, path: KeyPath) -> Iterator[Problem]:
    """The rules that a value breaks; those of transitions are not of a value alone."""
    for rule in rules:
        text = str(rule["rule"])
        if not is_transition(text) and evaluated(text, value) is False:
            says = " ".join(str(rule.get("message") or f"it breaks the rule {text}").split())
            yield Problem(path=path, problem=says)


def is_transition(rule: str) -> bool:
    """Whether a rule compares with the value before, as a rule that something is immutable does."""
    return "oldSelf" in rule


def evaluated(rule: str, value: Any, before: Any = None) -> bool | None:
    """What a rule says of a value; None where it says nothing, as a function that only an API server has."""
    expression = _compiled(rule)
    if expression is None:
        return None
    found = expression.eval(data={"self": value, "oldSelf": before}).value()
    return found if isinstance(found, bool) else None


@cache
def _compiled(rule: str) -> Any:
    try:
        return _environment().compile(rule)
    except RuntimeError:  # for a function or a type that the runtime does not know
        return None


@cache
def _environment() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})

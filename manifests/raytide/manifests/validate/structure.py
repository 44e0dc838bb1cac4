"""Whether an object has the shape of its kind: JSON Schema with CEL, said in words of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from raytide.core.spec.expect import one_of
from raytide.core.spec.explain import found
from raytide.core.spec.suggest import nearest
from raytide.manifests.validate.cel import broken
from raytide.manifests.validate.problem import Object, Problem, at
from raytide.manifests.validate.schemas import Schemas, metadata_schema

_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
}
_LIMITS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "text that matches {}",
}


def structure(document: Object, schemas: Schemas) -> Iterator[Problem]:
    """What keeps an API server from taking the object; nothing of a kind without a schema."""
    api_version, kind = str(document.get("apiVersion", "")), str(document.get("kind", ""))
    schema = schemas.of(api_version, kind)
    if schema is None:
        meant = nearest(kind, schemas.kinds_of(api_version))
        if meant:
            yield Problem(path=("kind",), problem="unknown kind", got=repr(kind), did_you_mean=meant)
        return
    yield from _problems(_without_null(document), schema)
    if isinstance(document.get("metadata"), Mapping) and "." in api_version.partition("/")[0]:
        for problem in _problems(_without_null(document["metadata"]), metadata_schema()):
            yield problem.below(("metadata",))


def _problems(value: Any, schema: Mapping[str, Any]) -> Iterator[Problem]:
    for error in _validator()(schema).iter_errors(value):
        yield from _said(error)


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def rules(_: Any, rules: Any, value: Any, __: Any) -> Iterator[Any]:
        for problem in broken(rules, value, ()):
            yield ValidationError(problem.problem)

    return extend(Draft202012Validator, {"x-kubernetes-validations": rules})


def _said(error: Any) -> Iterator[Problem]:
    path, value, wanted = tuple(error.absolute_path), error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            known = tuple(error.schema.get("properties", ()))
            for key in value.keys() - known:
                meant = nearest(key, known)
                expected = None if meant else one_of(sorted(known))
                yield Problem(path=(*path, key), problem="unknown key", expected=expected, did_you_mean=meant)
        case "required":
            (key,) = [key for key in wanted if error.message.startswith(repr(key))] or wanted[:1]
            yield Problem(path=(*path, key), problem="missing")
        case "enum":
            words = [str(word) for word in wanted if word != ""]
            meant = nearest(value, words) if isinstance(value, str) else None
            yield Problem(
                path=path, problem="wrong value", got=found(value), expected=one_of(words), did_you_mean=meant
            )
        case "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            expected = one_of(_TYPES[name] for name in names)
            yield Problem(path=path, problem="wrong value", got=found(value), expected=expected)
        case "x-kubernetes-validations":
            yield Problem(path=path, problem=error.message)
        case limit if limit in _LIMITS:
            yield Problem(path=path, problem="wrong value", got=found(value), expected=_LIMITS[limit].format(wanted))
        case _:
            yield Problem(path=path, problem="not valid as a whole", got=found(value))


def _without_null(tree: Any) -> Any:
    """As the API server drops what is null before it looks."""
    if isinstance(tree, Mapping):
        return {key: _without_null(value) for key, value in tree.items() if value is not None}
    return [_without_null(value) for value in tree] if isinstance(tree, list) else tree


def has_schema(document: Object, schemas: Schemas) -> bool:
    """Whether the kind of an object is known."""
    return schemas.of(str(at(document, "apiVersion")), str(at(document, "kind"))) is not None

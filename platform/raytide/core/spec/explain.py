"""pydantic's errors as findings: where they are in the file, what stands there and what should.

None of pydantic's own wording is used: what was expected comes from the schema, or from the ValueError of a validator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from raytide.core.errors import Finding
from raytide.core.spec.expect import Place, one_of
from raytide.core.spec.source import Source
from raytide.core.spec.suggest import nearest
from raytide.core.url import without_passwords


def explain(error: ValidationError, schema: Mapping[str, Any], source: Source) -> tuple[Finding, ...]:
    """One finding for each mistake."""
    top = Place.top(schema)
    details = [detail for detail in error.errors(include_url=False) if not _is_echo(detail, top, source)]
    findings = [_finding(detail, top, source) for detail in details]
    # A key that is only misspelt would otherwise be said twice: once as unknown, once as missing.
    meant = {_sibling(f.path, f.did_you_mean) for f in findings if f.problem == "unknown key" and f.did_you_mean}
    return tuple(f for f in findings if not (f.problem == "missing" and f.path in meant))


def found(value: object) -> str:
    """The value as a person would name it, without a password."""
    match value:
        case dict():
            return "a map" if value else "an empty map"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case None:
            return "nothing"
    text = repr(without_passwords(value)) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _is_echo(detail: ErrorDetails, top: Place, source: Source) -> bool:
    """Whether a list is called too short only because pydantic did not count its wrong entries."""
    if detail["type"] != "too_short":
        return False
    entries = source.at(top.below(detail["loc"]).path)
    return len(entries) >= int(detail["ctx"]["min_length"])


def _finding(detail: ErrorDetails, top: Place, source: Source) -> Finding:
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(detail, top, source)
        case "missing":
            return _missing(top.below(detail["loc"]), source)
        case "union_tag_not_found" | "union_tag_invalid":
            return _wrong_member(detail, top, source)
        case "value_error":
            return _refused(detail, top, source)
    return _wrong_value(top.below(detail["loc"]), source)


def _unknown_key(detail: ErrorDetails, top: Place, source: Source) -> Finding:
    parent, key = top.below(detail["loc"][:-1]), detail["loc"][-1]
    path = (*parent.path, key)
    meant = nearest(key, parent.keys)
    expected = None if meant else one_of(parent.keys)
    return source.keys[path].finding("unknown key", path, expected=expected, did_you_mean=meant)


def _missing(place: Place, source: Source) -> Finding:
    return source.mark(place.path).finding("missing", place.path, expected=place.describe())


def _wrong_member(detail: ErrorDetails, top: Place, source: Source) -> Finding:
    union = top.below(detail["loc"])
    key = detail["ctx"]["discriminator"].strip("'")
    path, tags = (*union.path, key), union.tags
    if detail["type"] == "union_tag_not_found":
        return source.mark(path).finding("missing", path, expected=one_of(tags))
    value = source.at(path)
    return source.mark(path).finding(
        "wrong value", path, got=found(value), expected=one_of(tags), did_you_mean=nearest(value, tags)
    )


def _refused(detail: ErrorDetails, top: Place, source: Source) -> Finding:
    path, expected = top.below(detail["loc"]).path, str(detail["ctx"]["error"])
    value = source.at(path)
    if isinstance(value, (dict, list)):  # each value is fine, and they do not fit together
        return source.mark(path).finding("not valid as a whole", path, expected=expected)
    return source.mark(path).finding("wrong value", path, got=found(value), expected=expected)


def _wrong_value(place: Place, source: Source) -> Finding:
    value = source.at(place.path)
    meant = nearest(value, place.words) if isinstance(value, str) and len(place.words) > 1 else None
    return source.mark(place.path).finding(
        "wrong value", place.path, got=found(value), expected=place.describe(), did_you_mean=meant
    )


def _sibling(path: str, key: str) -> str:
    return ".".join([*path.split(".")[:-1], key])

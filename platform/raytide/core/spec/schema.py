"""The JSON Schema of each kind, for editors and for whoever writes YAML by program.

Titles and descriptions are the docstrings of the models. Defaults are written as a user would write them. What only a
model's validator knows (one bound beside another) is not in the schema: `raytide check` is the judge.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from raytide.core.units import DURATION_PATTERN, SIZE_PATTERN, format_bytes, format_duration

_WRITTEN: Final = {DURATION_PATTERN: format_duration, SIZE_PATTERN: format_bytes}


@cache
def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind, or of a union of kinds; shared between calls, so not to be changed."""
    schema = TypeAdapter(kind).json_schema(schema_generator=_AsWritten)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


class _AsWritten(GenerateJsonSchema):
    """pydantic's schema, with defaults that the schema itself accepts and no titles made from key names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        default = schema.get("default")
        if isinstance(default, BaseModel):  # a section: its keys carry their own defaults
            return self.generate_inner(schema["schema"])
        node = super().default_schema(schema)
        written = _WRITTEN.get(node.get("pattern", ""))
        return node | {"default": written(node["default"])} if written else node

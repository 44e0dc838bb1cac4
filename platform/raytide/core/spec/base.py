"""What every raytide document has in common: `apiVersion`, `kind`, `metadata`, and keys that must be known."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

_NAME_PATTERN: Final = r"^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$"


def parse_name(value: object) -> str:
    """The same text where it is a name."""
    if not isinstance(value, str) or re.fullmatch(_NAME_PATTERN, value) is None:
        raise ValueError("a name of at most 47 lower-case letters, digits and dashes that starts with a letter")
    return value


def _above_zero(value: float) -> float:
    if value <= 0:  # rates and capacities are quotients by these
        raise ValueError("a value above zero")
    return value


AboveZero = AfterValidator(_above_zero)
"""For quantities with a unit, whose schema is a text."""

Name = Annotated[
    str,
    BeforeValidator(parse_name),
    WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN, "examples": ["chat"]}),
]
"""A DNS-1035 label of at most 47 characters, the shortest limit of the Kubernetes objects made from it."""


class Strict(BaseModel):
    """A section of a document: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        defer_build=True,  # a command reads one kind: building the validators of all was a sixth of its start
    )


class Metadata(Strict):
    """How the document is called."""

    name: Name


NAME_KEY: Final = "raytide-job"
TEAM_KEY: Final = "team"
"""Keys of what Ray keeps of a job beside its program; `ray job submit --metadata-json` takes them, too."""


class OwnedMetadata(Metadata):
    """How a service, a job or a pipeline is called, and whose it is."""

    team: Name | None = None
    """Whom `raytide cost --by team` names for what it holds; nobody where unset."""

    @property
    def for_ray(self) -> dict[str, str]:
        """What Ray is told of a job."""
        return {NAME_KEY: self.name, **({TEAM_KEY: self.team} if self.team else {})}


class Document(Strict):
    """The head of every document."""

    apiVersion: Literal["raytide/v1"]  # noqa: N815 (the key that Kubernetes users know)
    kind: str
    metadata: Metadata

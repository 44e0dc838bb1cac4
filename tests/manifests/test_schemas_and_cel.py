from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from raytide.core.errors import SpecError
from raytide.manifests.validate.cel import evaluated, is_transition
from raytide.manifests.validate.derive import of_crds
from raytide.manifests.validate.schemas import FOLDER, KUBERAY, carried, crds_of, with_crds
from raytide.manifests.validate.structure import structure
from raytide.manifests.validate.write_schemas import text_of

CRD: dict[str, Any] = {
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "example.com",
        "names": {"kind": "Tide"},
        "versions": [
            {
                "name": "v1",
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["height", "moon"],
                                "properties": {
                                    "height": {"type": "integer", "default": 3},
                                    "moon": {"type": "string"},
                                    "port": {"anyOf": [{"type": "integer"}], "x-kubernetes-int-or-string": True},
                                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                },
                                "x-kubernetes-validations": [
                                    {"rule": "self.height < 9 || has(self.free)", "message": "too high"},
                                    {"rule": "self == oldSelf", "message": "immutable"},
                                    {"rule": "isURL(self.moon)", "message": "only an API server knows"},
                                ],
                            },
                            "status": {"type": "object"},
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def crds(tmp_path: Path) -> Path:
    (tmp_path / "crd.yaml").write_text(json.dumps(CRD))
    return tmp_path


def _problems(crds: Path, spec: Any) -> list[tuple[str, str]]:
    document = {"apiVersion": "example.com/v1", "kind": "Tide", "metadata": {"name": "a"}, "spec": spec}
    return [(".".join(map(str, found.path)), found.problem) for found in structure(document, with_crds(crds))]


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        ({"moon": "new"}, []),
        ({"moon": "new", "port": "http", "free": {"any": 1}}, []),
        ({"moon": None}, [("spec.moon", "missing")]),
        ({"moon": "new", "hight": 1}, [("spec.hight", "unknown key")]),
        ({"moon": "new", "height": 9}, [("spec", "too high")]),
        ({"moon": "new", "height": 9, "free": {}}, []),
        ({"moon": "new", "port": True}, [("spec.port", "wrong value")]),
    ],
)
def test_an_object_is_checked_as_an_api_server_would(crds: Path, spec: Any, problems: list[tuple[str, str]]) -> None:
    assert _problems(crds, spec) == problems


def test_a_rule_with_a_function_of_the_api_servers_own_says_nothing() -> None:
    assert evaluated("isURL(self)", "x") is None
    assert evaluated("self in ['a', 'b']", "c") is False
    assert evaluated("self == oldSelf", 1, before=1) is True


def test_a_folder_without_crds_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="without CustomResourceDefinitions"):
        with_crds(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1\n", r"crd.yaml:2:1: not YAML"),
        ("kind: CustomResourceDefinition\n", r"crd.yaml: no CustomResourceDefinition"),
        ("kind: CustomResourceDefinition\nspec: {versions: 5}\n", r"crd.yaml: no CustomResourceDefinition"),
        ("\xff", r"crd.yaml:1:1: not UTF-8"),
    ],
)
def test_a_crd_that_cannot_be_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "crd.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError, match=says):
        with_crds(tmp_path)


def test_the_carried_schemas_are_valid_and_all_their_rules_can_be_evaluated() -> None:
    for schema in carried().by_kind.values():
        Draft202012Validator.check_schema(schema)
    rules = {rule["rule"] for rule in _rules(list(carried().by_kind.values()))}
    assert len(rules) >= 6
    for rule in rules:
        assert evaluated(rule, {}, {}) is not None or "self in" in rule or is_transition(rule), rule


def test_the_carried_schemas_of_kuberay_are_what_its_crds_give(shared_data: Path) -> None:
    folder = shared_data / "kuberay-crds"
    if not folder.is_dir():
        pytest.skip(f"no CRDs of KubeRay at {folder}")
    assert (FOLDER / KUBERAY).read_text() == text_of(of_crds(crds_of(folder)))


def test_the_carried_schemas_are_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.glob("*.json")) < 200_000


def _rules(tree: Any) -> Iterator[dict[str, str]]:
    if isinstance(tree, dict):
        yield from tree.get("x-kubernetes-validations", ())
        tree = list(tree.values())
    if isinstance(tree, list):
        for below in tree:
            yield from _rules(below)

"""The model registry: MLflow holds names, versions, aliases and lineage; the files lie in the storage folder.

A version's files are a copy named by its content, so that training again never changes what is served.
The tracking URI is `$MLFLOW_TRACKING_URI`, else a SQLite file in the storage folder. Not for a tracking *server*
that refuses local paths as sources; a database URI works from every node.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from raytide.core.errors import RaytideError
from raytide.core.home import home
from raytide.core.url import without_passwords
from raytide.jobs.artefact import new_folder, sha256_of_folder
from raytide.jobs.json_file import read_object

_REFERENCE: Final = re.compile(r"registry:(?P<name>[\w.-]+)@(?P<which>[\w.-]+)")

_MLFLOWS_OWN: Final = "mlflow."
PRODUCTION_VERSION: Final = "production_version"
"""Tag of a version: the one that was in production when it was evaluated, and was scored on the same data."""
EVALUATED_ON: Final = "evaluated_on"
"""Tag of a version: the hash of the data that its metrics are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One immutable version of a registered model."""

    name: str
    version: int
    path: Path
    """The folder with the model's files; they never change."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """Data hash, code version and configuration, as the train job wrote them."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    """What the evaluate job said of it: its run, its report, the data that the metrics are of."""
    aliases: tuple[str, ...] = ()

    @property
    def evaluated_on(self) -> str | None:
        """Hash of the data that the metrics are of."""
        return self.tags.get(EVALUATED_ON)

    @property
    def evaluated_beside(self) -> str | None:
        """The version that was in production then, as services show it: `chat v3`."""
        beside = self.tags.get(PRODUCTION_VERSION)
        return None if beside is None else f"{self.name} v{beside}"


def register(
    name: str, folder: Path, *, metrics: Mapping[str, float], tags: Mapping[str, str], alias: str
) -> ModelVersion:
    """The version that holds these files, with the alias moved to it; equal files are one version.

    It is known by its latest evaluation: what a canary of it is compared with is what served then.
    """
    with tracking_client() as client:
        path = _stored(name, folder)
        _ensure_name(client, name)
        known = next((v for v in _all(client, name) if v.source == str(path)), None)
        version = known or _new_version(client, name, path, tags)
        if version.run_id:  # a version that somebody registered by hand has none
            _evaluated(client, version.run_id, metrics, tags)
        client.set_registered_model_alias(name, alias, version.version)
        return _read(client, name, version.version)


def resolve(reference: str) -> ModelVersion:
    """The version that `registry:NAME@ALIAS_OR_VERSION` means now.

    Raises:
        RaytideError: The reference has another form, or the name, alias or version does not exist.
    """
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        raise RaytideError(
            f"{reference} is no model reference; write registry:NAME@ALIAS, as registry:chat@production."
        )
    with tracking_client() as client:
        return _find(client, parts["name"], parts["which"])


def versions(name: str) -> tuple[ModelVersion, ...]:
    """All versions of a model, oldest first; none where the name is unknown."""
    with tracking_client() as client:
        return tuple(_read(client, name, found.version) for found in _all(client, name))


def promote(name: str, version_or_alias: str, alias: str = "production") -> ModelVersion:
    """The version, after `alias` was moved to it.

    Raises:
        RaytideError: The name, version or alias does not exist.
    """
    with tracking_client() as client:
        found = _find(client, name, version_or_alias)
        now = _named(client, name, alias)
        if now not in (None, found.version):
            _remember(client, name, alias, [*_before(client, name, alias), now])
        client.set_registered_model_alias(name, alias, str(found.version))
        return _read(client, name, str(found.version))


def rollback(name: str, alias: str = "production") -> ModelVersion:
    """The version that `alias` named before it was moved last, after it was moved back there.

    Raises:
        RaytideError: The name does not exist, or the alias was never moved from another version.
    """
    with tracking_client() as client:
        _require(client, name)
        before = _before(client, name, alias)
        if not before:
            raise RaytideError(f"{alias} of {name} was never another version, so there is none to go back to.")
        _remember(client, name, alias, before[:-1])
        client.set_registered_model_alias(name, alias, str(before[-1]))
        return _read(client, name, str(before[-1]))


def tracking_uri() -> str:
    """Where MLflow keeps the registry.

    Raises:
        RaytideError: The variable holds no URI that MLflow could open.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'registry.db'}"
    try:
        urlsplit(uri).port  # noqa: B018 (asked for, it says whether it is one)
    except ValueError:  # without the URI, of which a part may be a password that was written wrongly
        raise RaytideError("MLFLOW_TRACKING_URI names a port that is none; correct it.") from None
    return uri


@contextmanager
def tracking_client() -> Iterator[Any]:
    """MLflow's client. One process at a time: SQLite has one writer, and first use creates the tables."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for noisy in ("alembic", "mlflow.store.db.utils"):  # one line per migration of an empty database
        logging.getLogger(noisy).setLevel(logging.ERROR)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    home().mkdir(parents=True, exist_ok=True)
    with (home() / ".registry.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield MlflowClient(tracking_uri=tracking_uri(), registry_uri=tracking_uri())
        except MlflowException as error:
            refusal = f"The registry {tracking_uri()} refuses: {error.message}"
            raise RaytideError(without_passwords(refusal)) from error


def _stored(name: str, folder: Path) -> Path:
    """A copy of the folder below the registry's, named by its content."""
    path = home() / "registry" / name / sha256_of_folder(folder)[:16]
    if not path.exists():
        with new_folder(path) as copy:
            shutil.copytree(folder, copy, dirs_exist_ok=True)
    return path


def _ensure_name(client: Any, name: str) -> None:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)


def _new_version(client: Any, name: str, path: Path, tags: Mapping[str, str]) -> Any:
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name, (home() / "registry" / name).as_uri())
    run = client.create_run(experiment)
    for key, value in _lineage(path).get("config", {}).items():
        client.log_param(run.info.run_id, key, value)
    client.set_terminated(run.info.run_id)
    return client.create_model_version(name, str(path), run_id=run.info.run_id, tags=dict(tags))


def _evaluated(client: Any, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """What an evaluation found, in the place of an earlier one's; metrics that it did not take stay beside it."""
    for key in _own_tags(client.get_run(run_id).data.tags).keys() - tags.keys():
        client.delete_tag(run_id, key)
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    for name, measured in metrics.items():
        client.log_metric(run_id, name, measured)


def _named(client: Any, name: str, alias: str) -> int | None:
    """The version that an alias names; None where it names none."""
    version = client.get_registered_model(name).aliases.get(alias)
    return None if version is None else int(version)


def _before(client: Any, name: str, alias: str) -> list[int | None]:
    """The versions that an alias has named, oldest first; MLflow itself keeps the present one alone."""
    told: list[int | None] = json.loads(client.get_registered_model(name).tags.get(f"raytide.before.{alias}", "[]"))
    return told


def _remember(client: Any, name: str, alias: str, before: list[int | None]) -> None:
    client.set_registered_model_tag(name, f"raytide.before.{alias}", json.dumps(before))


def _require(client: Any, name: str) -> None:
    if not _all(client, name):
        raise RaytideError(f"The registry has no {name}; {_existing(client, name, [])}")


def _all(client: Any, name: str) -> list[Any]:
    return sorted(client.search_model_versions(f"name = '{name}'"), key=lambda found: int(found.version))


def _find(client: Any, name: str, which: str) -> ModelVersion:
    known = [_read(client, name, found.version) for found in _all(client, name)]
    for version in known:
        if which == str(version.version) or which in version.aliases:
            return version
    raise RaytideError(f"The registry has no {name}@{which}; {_existing(client, name, known)}")


def _existing(client: Any, name: str, known: list[ModelVersion]) -> str:
    if known:
        words = [f"{name}@{word}" for v in known for word in (str(v.version), *v.aliases)]
        return f"it has {', '.join(words)}."
    names = [model.name for model in client.search_registered_models()]
    return f"it has {', '.join(names)}." if names else "it is empty: run an evaluate job to register a model."


def _read(client: Any, name: str, version: str) -> ModelVersion:
    found = client.get_model_version(name, version)
    path = Path(found.source)
    run = client.get_run(found.run_id).data if found.run_id else None
    return ModelVersion(
        name=name,
        version=int(found.version),
        path=path,
        lineage=_lineage(path),
        metrics=run.metrics if run else {},
        tags=_own_tags(run.tags) if run else {},
        aliases=tuple(sorted(found.aliases)),
    )


def _own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith(_MLFLOWS_OWN)}


def _lineage(path: Path) -> dict[str, Any]:
    return read_object(path / "lineage.json") or {}

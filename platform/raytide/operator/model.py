"""From `spec.model.source` to the files that engines load."""

from __future__ import annotations

from pathlib import Path

from raytide.autoscaling.rollout.declared import quality_of
from raytide.core.errors import RaytideError
from raytide.operator.plan.desired import ServedModel
from raytide.operator.site import Site


def resolve(source: str, site: Site) -> ServedModel:
    """The model behind a source, with a registry alias pinned to the version that it names now.

    Raises:
        RaytideError: the registry has no such model, or the folder holds none.
    """
    if source.startswith("registry:"):
        from raytide.jobs import registry

        version = registry.resolve(source)
        quality = quality_of(version.metrics, version.evaluated_on, version.evaluated_beside)
        return ServedModel(path=str(version.path), label=f"{version.name} v{version.version}", quality=quality)
    if source.startswith("hf://"):
        return ServedModel(path=source.removeprefix("hf://"), label=source)
    return _folder(source, site)


def resolve_adapter(source: str, site: Site) -> str:
    """The folder, or the Hugging Face id, of a LoRA adapter; sources as those of models.

    Raises:
        RaytideError: the registry has none, or the folder holds none.
    """
    if source.startswith(("registry:", "hf://")):
        return resolve(source, site).path
    folder = Path(source).absolute()
    if site.is_here and not (folder / "adapter_config.json").is_file():
        raise RaytideError(
            f"spec.model.adapters: {folder} holds no LoRA adapter (no adapter_config.json): name the folder that PEFT "
            "wrote, registry:NAME@ALIAS or hf://org/name"
        )
    return str(folder)


def _folder(source: str, site: Site) -> ServedModel:
    folder = Path(source).absolute()
    if site.is_here and not (folder / "config.json").is_file():
        raise RaytideError(
            f"spec.model.source: {folder} holds no model (no config.json): train one with "
            "`python -m raytide.jobs.train`, or name a folder, registry:NAME@ALIAS or hf://org/name"
        )
    return ServedModel(path=str(folder), label=source)

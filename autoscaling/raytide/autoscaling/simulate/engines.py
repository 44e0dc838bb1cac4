"""The engine of a replica before one has run: as measured in the file, else as in the catalog, else its roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raytide.autoscaling.declared import limited_engine, measured_engine
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate.precision import kv_precision_of, precision_of
from raytide.core.catalog import Catalog, CatalogError, EngineColumn, Missing, ModelShape, read_shape, require_fit
from raytide.core.spec.service import Hardware, Performance, Service


def engine_of(service: Service, hardware: Hardware, catalog: Catalog) -> Engine | Missing:
    """The engine of this hardware entry; missing where neither the file nor the catalog knows it.

    Raises:
        CatalogError: the model or its longest context does not fit; the sentence says what would.
    """
    args, known = service.spec.engine.args, hardware.performance
    shape = _shape(service.spec.model.source, catalog)
    if known is not None:
        _require_weights_fit(service, hardware, catalog, shape)
        _require_context_fits(args, known)
        return measured_engine(known, args)
    if isinstance(shape, Missing):
        return shape
    if hardware.accelerator == "CPU":
        return Missing(reason="the catalog knows accelerators, and this is a CPU")
    if hardware.pipeline_parallel > 1:
        return Missing(reason="the catalog knows no engine of several pipeline stages")
    accelerator = catalog.accelerator(hardware.accelerator)
    precision = precision_of(service)
    context_tokens = int(args.get("max_model_len", 1))
    size = hardware.tensor_parallel
    memory = require_fit(shape, accelerator, size, precision, kv_precision_of(args), context_tokens)
    column = catalog.column(shape, accelerator, precision, size)
    return limited_engine(_iteration(column), memory.kv_capacity_tokens, args)


def _shape(source: str, catalog: Catalog) -> ModelShape | Missing:
    if source.startswith("hf://"):
        try:
            return catalog.model(source.rsplit("/", 1)[-1])  # an organisation keeps a misspelt name from its match
        except CatalogError as error:
            return Missing(reason=str(error))
    if (Path(source) / "config.json").is_file():
        return read_shape(Path(source))
    return Missing(reason=f"the shape of {source!r} is not known here")


def _require_weights_fit(service: Service, hardware: Hardware, catalog: Catalog, shape: ModelShape | Missing) -> None:
    """A measurement of a replica outweighs the catalog, except where the weights alone are larger than its memory."""
    if isinstance(shape, Missing) or hardware.accelerator == "CPU":
        return
    accelerator, precision = catalog.accelerator(hardware.accelerator), precision_of(service)
    weights_bytes = shape.weights_bytes(precision)
    if weights_bytes > accelerator.memory_bytes * hardware.tensor_parallel:
        require_fit(shape, accelerator, hardware.tensor_parallel, precision)


def _require_context_fits(args: dict[str, Any], known: Performance) -> None:
    wanted = int(args.get("max_model_len", 1))
    if wanted > known.kv_capacity_tokens:
        raise CatalogError(
            f"max_model_len is {wanted:,} and the replica holds {known.kv_capacity_tokens:,} tokens of KV cache; "
            f"lower it to that, or give the replica more memory"
        )


def _iteration(column: EngineColumn) -> Iteration:
    return Iteration(
        base_s=column.base_s,
        per_sequence_s=column.per_sequence_s,
        per_root_sequence_s=column.per_root_sequence_s,
        per_kv_token_s=column.per_kv_token_s,
        per_prefill_token_s=column.per_prefill_token_s,
    )

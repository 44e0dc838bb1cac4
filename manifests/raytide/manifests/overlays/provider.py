"""What differs between providers of Kubernetes: how nodes are labelled and tainted, and what storage is called.

The facts are those of the providers' documentation: GKE (GPUs, Spot VMs, Filestore), EKS with Karpenter's well-known
labels and EFS, AKS (VM sizes, spot node pools, Azure Files), and elsewhere NVIDIA's GPU feature discovery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from raytide.core.spec.cluster import Pool

Labels = Mapping[str, str]
Toleration = Mapping[str, str]
_GPU_TAINT: Final[Toleration] = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """How one provider marks its nodes."""

    name: str
    title: str
    accelerators: Mapping[str, Labels]
    """Labels by accelerator, or by accelerator and number as `H100x8` where a label is that of a machine."""
    spot: Labels = field(default_factory=dict)
    on_demand: Labels = field(default_factory=dict)
    spot_taints: tuple[Toleration, ...] = ()
    gpu_taints: tuple[Toleration, ...] = (_GPU_TAINT,)
    storage_class: str | None = None
    """Of volumes that many nodes write; the default class of the cluster where there is none."""

    @property
    def folder(self) -> str:
        """Of the overlay, below that of what is rendered."""
        return f"overlays/{self.name}"

    def node_selector(self, pool: Pool) -> dict[str, str] | None:
        """The labels of a pool's nodes; None where the provider has no such accelerator."""
        market = self.spot if pool.market == "spot" else self.on_demand
        if not pool.gpus_per_node:
            return dict(market)
        exact = self.accelerators.get(f"{pool.accelerator}x{pool.gpus_per_node}")
        labels = exact or self.accelerators.get(pool.accelerator)
        return None if labels is None else {**labels, **market}

    def tolerations(self, pool: Pool) -> list[dict[str, Any]]:
        """The taints of a pool's nodes."""
        gpu = self.gpu_taints if pool.gpus_per_node else ()
        spot = self.spot_taints if pool.market == "spot" else ()
        return [dict(taint) for taint in (*gpu, *spot)]


def _taint(key: str, value: str) -> Toleration:
    return {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}


def _each(key: str, **values: str) -> dict[str, Labels]:
    return {name.replace("_", "-"): {key: value} for name, value in values.items()}


_GKE: Final = Provider(
    name="gke",
    title="Google Kubernetes Engine",
    accelerators=_each(
        "cloud.google.com/gke-accelerator",
        T4="nvidia-tesla-t4",
        L4="nvidia-l4",
        A100_40G="nvidia-tesla-a100",
        A100_80G="nvidia-a100-80gb",
        H100="nvidia-h100-80gb",
        H200="nvidia-h200-141gb",
        B200="nvidia-b200",
        GB200="nvidia-gb200",
    ),
    spot={"cloud.google.com/gke-spot": "true"},
    spot_taints=(_taint("cloud.google.com/gke-spot", "true"),),
    storage_class="standard-rwx",
)
_GPU_NAME: Final = "karpenter.k8s.aws/instance-gpu-name"
_GPU_MEMORY: Final = "karpenter.k8s.aws/instance-gpu-memory"
_EKS: Final = Provider(
    name="eks",
    title="Amazon EKS with Karpenter",
    accelerators={
        **_each(_GPU_NAME, T4="t4", L4="l4", A10G="a10g", L40S="l40s", H100="h100", H200="h200", B200="b200"),
        "A100-40G": {_GPU_NAME: "a100", _GPU_MEMORY: "40960"},
        "A100-80G": {_GPU_NAME: "a100", _GPU_MEMORY: "81920"},
    },
    spot={"karpenter.sh/capacity-type": "spot"},
    on_demand={"karpenter.sh/capacity-type": "on-demand"},
    storage_class="efs-sc",
)
_AKS: Final = Provider(
    name="aks",
    title="Azure Kubernetes Service",
    accelerators=_each(
        "node.kubernetes.io/instance-type",
        T4x1="Standard_NC16as_T4_v3",
        T4x4="Standard_NC64as_T4_v3",
        A100_40Gx8="Standard_ND96asr_v4",
        A100_80Gx1="Standard_NC24ads_A100_v4",
        A100_80Gx2="Standard_NC48ads_A100_v4",
        A100_80Gx4="Standard_NC96ads_A100_v4",
        A100_80Gx8="Standard_ND96amsr_A100_v4",
        H100x1="Standard_NC40ads_H100_v5",
        H100x2="Standard_NC80adis_H100_v5",
        H100x8="Standard_ND96isr_H100_v5",
        H200x8="Standard_ND96isr_H200_v5",
        MI300Xx8="Standard_ND96isr_MI300X_v5",
    ),
    spot={"kubernetes.azure.com/scalesetpriority": "spot"},
    spot_taints=(_taint("kubernetes.azure.com/scalesetpriority", "spot"),),
    gpu_taints=(_taint("sku", "gpu"),),
    storage_class="azurefile-csi-premium",
)
_ONPREM: Final = Provider(
    name="onprem",
    title="machines of one's own, labelled by NVIDIA's GPU feature discovery",
    accelerators=_each(
        "nvidia.com/gpu.product",
        T4="Tesla-T4",
        L4="NVIDIA-L4",
        A10G="NVIDIA-A10G",
        L40S="NVIDIA-L40S",
        A100_40G="NVIDIA-A100-SXM4-40GB",
        A100_80G="NVIDIA-A100-SXM4-80GB",
        H100="NVIDIA-H100-80GB-HBM3",
        H200="NVIDIA-H200",
        B200="NVIDIA-B200",
        GB200="NVIDIA-GB200",
    ),
)

PROVIDERS: Final[Mapping[str, Provider]] = {one.name: one for one in (_GKE, _EKS, _AKS, _ONPREM)}
"""By name."""

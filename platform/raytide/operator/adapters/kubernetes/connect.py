"""Which cluster, and as whom: a kubeconfig, or the account of the pod that this runs in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import ClusterUnreachable
from raytide.manifests.kinds import NAMESPACED

_CONNECTIONS: Final = len(NAMESPACED) + 4
"""Each watch holds one. The client keeps five for each core, and a pod with one core would drop and log the others."""


def connect(kubeconfig: Path | None, context: str | None) -> Any:
    """An `ApiClient` for a kubeconfig, else for the pod's account, else for `$KUBECONFIG` or `~/.kube/config`.

    Raises:
        ClusterUnreachable: no configuration is there, or it is none.
    """
    from kubernetes import client, config

    settings = client.Configuration()
    settings.retries = False  # urllib3 would try again by itself, at once, three times
    settings.connection_pool_maxsize = _CONNECTIONS
    try:
        if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=settings)
        else:
            file = str(kubeconfig) if kubeconfig else None
            config.load_kube_config(file, context, settings, persist_config=False)
    except (config.ConfigException, OSError, ValueError, TypeError) as error:
        where = f"{kubeconfig} is no kubeconfig" if kubeconfig else "no cluster is configured"
        context_of = f" with a context {context}" if context else ""
        raise ClusterUnreachable(
            f"{where}{context_of}: give the file with --kubeconfig, and --context for another one than its current"
        ) from error
    return client.ApiClient(settings)

"""What the gateway says of the decisions, over HTTP and without a key."""

from __future__ import annotations

import httpx

from raytide.autoscaling.codec import typed
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.wanted import WANTED_PATH, PoolUse

TIMEOUT_S = 5.0


class Gateway:
    """The gateway of one cluster, as `http://127.0.0.1:8080`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def pool_use(self) -> PoolUse | Missing:
        """What the pools are for; missing where nobody, or something else, answers."""
        try:
            answer = httpx.get(self._url + WANTED_PATH, timeout=TIMEOUT_S, trust_env=False).raise_for_status()
            use: PoolUse = typed(PoolUse, answer.json())
        except httpx.HTTPStatusError as error:
            return Missing(reason=f"{self._url} answers with {error.response.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Missing(reason=f"{self._url} gives no answer ({type(error).__name__})")
        except ValueError:
            return Missing(reason=f"{self._url} is no gateway of raytide, or one of another version")
        return use

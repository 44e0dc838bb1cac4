"""The REST API of Ray's dashboard: Serve applications, declared and running, and jobs."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from raytide.core.errors import ClusterRefused, ClusterUnreachable, RaytideError
from raytide.services.rollout.revisions import Application, live

TIMEOUT_S = 30.0
_APPLICATIONS = "/api/serve/applications/"
_JOBS = "/api/jobs/"


class Dashboard:
    """One cluster's dashboard, as `http://127.0.0.1:8265`."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._client = httpx.Client(base_url=self.address, timeout=TIMEOUT_S, headers=_auth_headers(), trust_env=False)

    def serve_details(self) -> dict[str, Any]:
        """What Serve runs: HTTP options, proxies, applications with their deployments and replicas."""
        return self._get(_APPLICATIONS)

    def put_applications(
        self,
        applications: Sequence[Mapping[str, Any]],
        http_options: Mapping[str, Any],
        without: Collection[str] = (),
    ) -> None:
        """Deploy these applications beside the declared others, which a PUT without them would delete."""
        names = {application["name"] for application in applications}
        self._put([*self._others({*names, *without}), *applications], http_options)

    def submit(self, entrypoint: str) -> str:
        """The id of a new job that runs this command."""
        return str(self._request("POST", _JOBS, json={"entrypoint": entrypoint}).json()["submission_id"])

    def job_state(self, job: str) -> str:
        """`PENDING`, `RUNNING`, `SUCCEEDED`, `FAILED` or `STOPPED`."""
        return str(self._get(f"{_JOBS}{job}")["status"])

    def jobs(self) -> list[dict[str, Any]]:
        """Every job that the cluster knows, submitted or begun by a driver."""
        found = _parsed(self._request("GET", _JOBS))
        return [job for job in found if isinstance(job, dict)] if isinstance(found, list) else []

    def job_output(self, job: str) -> str:
        """What a job has written so far, standard error included."""
        return str(self._get(f"{_JOBS}{job}/logs")["logs"])

    def _others(self, names: Collection[str]) -> list[Application]:
        return [application for application in live(self.serve_details()) if application["name"] not in names]

    def _put(self, applications: Iterable[Mapping[str, Any]], http_options: Mapping[str, Any]) -> None:
        config: dict[str, Any] = {"applications": list(applications)}
        if http_options:
            config["http_options"] = dict(http_options)
        self._request("PUT", _APPLICATIONS, json=config)

    def _get(self, path: str) -> dict[str, Any]:
        answer = _parsed(self._request("GET", path))
        if not isinstance(answer, dict):
            raise ClusterUnreachable(
                f"what answers at {self.address} is no Ray dashboard: give the dashboard's address with --address"
            )
        return answer

    def _request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **kwargs)
        except httpx.TransportError as error:
            raise ClusterUnreachable(
                f"no Ray dashboard answers at {self.address} ({type(error).__name__}): start one with `raytide local "
                "up` or `ray start --head`, or give its address with --address"
            ) from error
        if response.status_code in (401, 403):
            raise ClusterRefused(
                f"the cluster at {self.address} wants a token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or put the "
                "token into ~/.ray/auth_token (`ray get-auth-token` prints it where the cluster was started)"
            )
        if response.is_error:
            raise RaytideError(f"{method} {self.address}{path} failed with {response.status_code}: {_reason(response)}")
        return response


def _parsed(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _reason(response: httpx.Response) -> str:
    """The last line of the answer: of a traceback, the one that says what happened."""
    lines = [line.strip() for line in response.text.strip().splitlines() if line.strip()]
    return lines[-1][:500] if lines else response.reason_phrase


def _auth_headers() -> dict[str, str]:
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        return {}
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip() or _token_file(os.environ.get("RAY_AUTH_TOKEN_PATH"))
    if not (token.isascii() and token.isprintable()):  # no header may hold it
        raise RaytideError("RAY_AUTH_TOKEN, or its file, holds what no token does: `ray get-auth-token` prints it")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _token_file(path: str | None) -> str:
    """Its text; empty where there is none."""
    file = Path(path) if path else Path.home() / ".ray" / "auth_token"
    try:
        return file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RaytideError(f"{file} cannot be read as a token: {error}") from error

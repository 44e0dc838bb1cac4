from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml  # what `serve deploy` reads with


def test_serves_own_reader_takes_a_rendered_config_as_it_is_meant(
    raytide: Callable[..., subprocess.CompletedProcess[str]], repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    rendered = raytide("render", str(repository / "services/chat.yaml"), "--set", f"spec.model.source={tmp_path}")
    assert rendered.returncode == 0, rendered.stderr
    gateway, chat = yaml.safe_load(rendered.stdout)["applications"]
    (brain,) = (one for one in chat["deployments"] if one["name"] == "Brain")
    assert brain["user_config"]["access"]["api_keys"] == "off"  # which YAML 1.1 takes for false
    assert gateway["name"] == "raytide-gateway"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core.command import program_of


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("python  -m raytide.jobs.train jobs/train.yaml", "python -m raytide.jobs.train jobs/train.yaml"),
        ("python train.py --token hf_a --lr=0.1 config.yaml", "python train.py … config.yaml"),
        ("HF_TOKEN=hf_a B=2 /usr/bin/python3 -u a.py", "… /usr/bin/python3 … a.py"),
        ("cd /work && A=b ./run.sh secret", "cd … ./run.sh …"),
        ("printf %s \"$JOB\" | python -m raytide.jobs.infer /dev/stdin", "printf … python -m raytide.jobs.infer …"),
        ("bash -c 'curl -H \"Authorization: Bearer x\" https://host/a.py'", "bash …"),
        ("python -c 'key = \"x\"; import a.py'", "python …"),
        ("python -m 'a b' https://me:pw@host/a.py", "python -m …"),
        ("curl https://me:pw@host/a.py", "curl …"),
        ("python a.py 'never ends", "python a.py …"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_names_a_program_stays_and_every_value_goes(command: str, says: str) -> None:
    assert program_of(command) == says


SECRETS = st.from_regex(r"(hf_|sk-|rt-|eyJ)[A-Za-z0-9_=+/-]{20,40}", fullmatch=True)
PLACES = st.sampled_from(
    ["--token {}", "--token={}", "-t {}", "TOKEN={}", "--set env.TOKEN={}", "'{}'", '-H "Authorization: Bearer {}"']
)


@given(SECRETS, PLACES, st.booleans())
def test_no_token_among_the_arguments_is_said(secret: str, place: str, first: bool) -> None:
    words = ["python", "-m", "raytide.jobs.train", "jobs/train.yaml"]
    words.insert(0 if first and place.startswith("TOKEN") else 4, place.format(secret))
    assert secret not in program_of(" ".join(words))

"""The readers on an S3 server, moto's."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from raytide.core.errors import RaytideError
from raytide.core.spec.preprocess import Corpus
from raytide.jobs.preprocess.corpus import list_files
from raytide.jobs.preprocess.read import Record, Unread, read


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    running = ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    settings = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}
    for name, value in {**settings, "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.makedirs("corpus", exist_ok=True)
    yield files
    running.stop()


def test_a_bucket_is_read_as_a_folder_is(bucket: Any) -> None:
    rows = "".join(json.dumps({"text": text}) + "\n" for text in ("one", "two")).encode()
    bucket.pipe("corpus/text/a.jsonl.gz", gzip.compress(rows))
    bucket.pipe("corpus/text/deep/b.txt", b"three")
    bucket.pipe("corpus/text/c.jsonl.gz", gzip.compress(rows)[:20])
    listing = list_files(Corpus(source="s3://corpus/text"))
    assert listing.files == ("a.jsonl.gz", "c.jsonl.gz", "deep/b.txt")
    found = [one for path in listing.files for one in read(listing.root, path, Corpus())]
    assert [one.text for one in found if isinstance(one, Record)] == ["one", "two", "three"]
    assert [one.reason for one in found if isinstance(one, Unread)] == ["truncated"]
    bucket.pipe("corpus/text/deep/b.txt", b"four!")
    assert list_files(Corpus(source="s3://corpus/text")).fingerprint != listing.fingerprint


def test_a_bucket_that_is_not_there_is_a_sentence(bucket: Any) -> None:
    with pytest.raises(RaytideError, match=r"cannot be read.*correct spec\.corpus\.source"):
        list_files(Corpus(source="s3://elsewhere"))

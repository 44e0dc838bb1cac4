import gzip
import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastwarc.stream_io import GzipWriter
from fastwarc.warc import WarcRecord, WarcRecordType

from raytide.core.spec.preprocess import Corpus
from raytide.jobs.preprocess.read import Read, Record, Unread, read
from raytide.jobs.preprocess.read.jsonl import lines

PAGE = "<html><body><nav>Home | About</nav><main><p>The tide rises {}.</p></main><script>let x</script></body></html>"


def in_file(path: Path, content: bytes, **settings: object) -> list[Read]:
    path.write_bytes(content)
    return list(read(str(path.parent), path.name, Corpus.model_validate(settings)))


def rows(*texts: object) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def reasons(found: list[Read]) -> list[str]:
    return [f"{one.source} {one.reason}" if isinstance(one, Unread) else one.text for one in found]


@pytest.mark.parametrize(("suffix", "packed"), [("", bytes), (".gz", gzip.compress), (".zst", None)])
def test_rows_come_out_of_any_compression(suffix: str, packed: object, tmp_path: Path) -> None:
    content = rows("one", "two")
    content = packed(content) if callable(packed) else pa.compress(content, codec="zstd", asbytes=True)
    assert in_file(tmp_path / f"a.jsonl{suffix}", content) == [
        Record(f"a.jsonl{suffix}:1", "one"),
        Record(f"a.jsonl{suffix}:2", "two"),
    ]


def test_a_row_that_is_no_document_is_located_and_the_others_stay(tmp_path: Path) -> None:
    content = (
        rows("one", 7, None, [])
        + b'[1]\n{"body": "x"}\n{"text": \n{"text": "\xff"}\n{"text": "\\ud800"}\n\n'
        + rows("end")
    )
    assert reasons(in_file(tmp_path / "a.jsonl", content)) == [
        "one",
        "a.jsonl:2 wrong_type",
        "a.jsonl:3 wrong_type",
        "a.jsonl:4 wrong_type",
        "a.jsonl:5 wrong_type",
        "a.jsonl:6 no_field",
        "a.jsonl:7 not_json",
        "a.jsonl:8 undecodable",
        "a.jsonl:9 not_json",
        "end",
    ]


def test_a_row_that_nests_without_end_is_one_row(tmp_path: Path) -> None:
    assert reasons(in_file(tmp_path / "a.jsonl", b"[" * 100_000 + b"\n" + rows("end"))) == ["a.jsonl:1 not_json", "end"]


def test_names_in_capitals_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    assert reasons(in_file(tmp_path / "A.JSONL.GZ", gzip.compress(b"\xef\xbb\xbf" + rows("one")))) == ["one"]


def test_a_name_that_is_no_text_is_shown_as_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.txt")
    (found,) = in_file(tmp_path / name, b"text")
    assert found == Record("\N{REPLACEMENT CHARACTER}.txt", "text")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_a_truncated_archive_still_holds_is_read_and_the_end_is_said_to_be_missing(
    suffix: str, tmp_path: Path
) -> None:
    content = rows(*(f"{number} {number**9}" for number in range(20_000)))
    packed = gzip.compress(content) if suffix == ".gz" else pa.compress(content, codec="zstd", asbytes=True)
    *documents, end = in_file(tmp_path / f"a.jsonl{suffix}", packed[: len(packed) * 9 // 10])
    assert isinstance(end, Unread)
    assert end.reason == "truncated"
    assert all(isinstance(document, Record) for document in documents)


def test_bytes_that_are_no_archive_are_damaged(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "a.jsonl.zst", "a.parquet"):
        assert [one.reason for one in in_file(tmp_path / name, b"no archive" * 9) if isinstance(one, Unread)] == [
            "damaged"
        ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_an_empty_shard_is_said_to_be_empty(name: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), buffer)
    content = {"a.jsonl": b"", "a.jsonl.gz": gzip.compress(b""), "a.parquet": buffer.getvalue()}[name]
    assert in_file(tmp_path / name, content) == [Unread(name, "empty")]


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    for name in ("a.txt", "a.jsonl", "a.parquet", "a.warc"):
        (found,) = read(str(tmp_path), name, Corpus())
        assert isinstance(found, Unread)
        assert found.reason == "unreadable"


class Endless(io.RawIOBase):
    """A line of 200 MB, and another after it, which never lie in memory."""

    def __init__(self) -> None:
        self._left, self._end = 200_000_000, b"\nnext\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        rest = b"x" * min(len(buffer), self._left) or self._end
        self._left -= min(len(buffer), self._left)
        self._end = b"" if rest == self._end else self._end
        buffer.cast("B")[: len(rest)] = rest
        return len(rest)


def test_a_line_of_200_mb_is_skipped_and_the_next_is_read() -> None:
    import tracemalloc

    tracemalloc.start()
    found = list(lines(io.BufferedReader(Endless(), 1 << 20), 16_000_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [None, b"next\n"]
    assert peak < 60_000_000


def test_documents_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    limit = {"max_document": "100B"}
    assert reasons(in_file(tmp_path / "a.txt", b"x" * 101, **limit)) == ["a.txt too_large"]
    assert reasons(in_file(tmp_path / "a.jsonl", rows("x" * 200, "ok"), **limit)) == ["a.jsonl:1 too_large", "ok"]


def test_a_conversation_becomes_one_text(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    assert reasons(in_file(tmp_path / "a.jsonl", rows(turns))) == ["user: hello\nassistant: hi\n"]
    assert reasons(in_file(tmp_path / "a.jsonl", rows([{"role": "king", "content": "no"}]))) == ["a.jsonl:1 wrong_type"]


def test_a_column_of_another_name_or_type_is_said_for_each_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", None, "b"], "n": [1, 2, 3]}), path)
    content = path.read_bytes()
    assert reasons(in_file(path, content)) == ["a", "a.parquet#1 wrong_type", "b"]
    assert {one.reason for one in in_file(path, content, field="n") if isinstance(one, Unread)} == {"wrong_type"}
    (missing,) = in_file(path, content, field="body")
    assert missing == Unread("a.parquet", "no_field", "no column 'body' among text, n", 3)


def test_a_page_gives_what_a_person_reads(tmp_path: Path) -> None:
    assert reasons(in_file(tmp_path / "a.html", PAGE.format("twice a day").encode())) == ["The tide rises twice a day."]
    latin = PAGE.replace("<html>", '<html><head><meta charset="iso-8859-1"></head>').format("in São Tomé")
    assert reasons(in_file(tmp_path / "b.html.gz", gzip.compress(latin.encode("latin-1")))) == [
        "The tide rises in São Tomé."
    ]


def test_a_page_that_nests_deeper_than_people_write_costs_no_time(tmp_path: Path) -> None:
    assert reasons(in_file(tmp_path / "a.html", b"<div>" * 20_000 + b"deep")) == ["a.html too_deep"]
    assert reasons(in_file(tmp_path / "b.html", b"<div>a</div>" * 20_000))[0].startswith("a")


def archive(*responses: bytes, is_http: bool = True) -> bytes:
    buffer = io.BytesIO()
    with GzipWriter(buffer) as stream:
        for response in responses:
            record = WarcRecord()
            record.init_headers(WarcRecordType.response)
            record.is_http = is_http
            record.set_bytes_content(response)
            record.write(stream)
    return buffer.getvalue()


def response(status: str, kind: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def test_an_archive_of_the_web_gives_its_pages(tmp_path: Path) -> None:
    page = PAGE.format("high").encode()
    content = archive(
        response("200 OK", "text/html; charset=utf-8", page),
        response("404 Not Found", "text/html", page),
        response("200 OK", "image/png", b"\x89PNG"),
    )
    found = in_file(tmp_path / "a.warc.gz", content)
    assert [one.reason if isinstance(one, Unread) else one.text for one in found] == [
        "The tide rises high.",
        "http_error",
        "not_html",
    ]
    assert all(one.source.startswith("a.warc.gz@") for one in found)


def test_what_one_server_answered_badly_does_not_end_the_archive(tmp_path: Path) -> None:
    page = PAGE.format("high").encode()
    packed = "Content-Encoding: gzip"
    content = (
        archive(b"example.org. 300 IN A 192.0.2.1", is_http=False)
        + archive(
            response("200 OK", "text/html", b"not compressed", packed),
            response("200 OK", "text/html", gzip.compress(b"<p>" + b"a " * 1_000_000), packed),
            response("200 OK", "text/html; charset=undefined", b"\xff"),
            response("200 OK", "text/html", b"<div>" * 20_000),
            response("200 OK", "text/html", b"zzzz\r\n", "Transfer-Encoding: chunked"),
            b"no header",
        )
        + archive(response("200 OK", "text/html", gzip.compress(page), packed))
    )
    found = in_file(tmp_path / "a.warc.gz", content, max_document="1MB")
    assert [one.reason if isinstance(one, Unread) else one.text for one in found] == [
        "not_http",
        "unreadable",
        "too_large",
        "undecodable",
        "too_deep",
        "unreadable",
        "http_error",
        "The tide rises high.",
    ]


def test_a_truncated_archive_of_the_web_says_so(tmp_path: Path) -> None:
    page = response("200 OK", "text/html", (PAGE.format("low") * 500).encode())
    content = archive(page, page)
    *_, end = in_file(tmp_path / "a.warc.gz", content[:-60])
    assert isinstance(end, Unread), end
    assert end.reason in {"truncated", "damaged"}

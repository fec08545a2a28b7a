import gzip
import io
from typing import Any

import pytest

from dr.pods.data_profile import profile


def summary(key: str, data: bytes) -> tuple[Any, ...]:
    result = profile(key, io.BytesIO(data))
    return result["format"], result["rows"], result["columns"], result["problems"]


@pytest.mark.parametrize(
    ("key", "data", "expected"),
    [
        ("a.csv", b"x,y\n1,2\n3,\n", ("csv", 2, {"x": 2, "y": 1}, 0)),
        ("a.csv", b'x,y\n"1,5","2\n2"\n', ("csv", 1, {"x": 1, "y": 1}, 0)),
        ("A.TSV", b"x\ty\n1\t2\n", ("tsv", 1, {"x": 1, "y": 1}, 0)),
        ("a.csv", b"x,y\n1\n1,2,3\n", ("csv", 2, {"x": 2, "y": 1}, 2)),
        ("a.csv", b"x,x\n", ("csv", 0, {"x": 0}, 1)),
        ("a.csv", b"", ("csv", None, None, 1)),
        ("a.csv", b"x\n\xff\n", ("csv", None, None, 1)),
        ("a.csv", b'x\n"open', ("csv", None, None, 1)),
        ("a.jsonl", b'{"x": 1}\n\n{"x": null, "y": 2}\n', ("jsonl", 2, {"x": 1, "y": 1}, 0)),
        ("a.jsonl", b'{"x": 1}\n[1]\n{\n', ("jsonl", 3, {"x": 1}, 2)),
        ("a.json", b'[{"x": 1}, 2]', ("json", 2, {"x": 1}, 0)),
        ("a.json", b'{"x": 1}', ("json", None, None, 0)),
        ("a.json", b"{", ("json", None, None, 1)),
        ("a.csv.gz", gzip.compress(b"x\n1\n", mtime=0), ("csv", 1, {"x": 1}, 0)),
        ("a.csv.gz", gzip.compress(b"x\n1\n", mtime=0)[:-4], ("csv", None, None, 1)),
        ("a.csv.gz", b"x\n1\n", ("csv", None, None, 1)),
        ("a.parquet", b"PAR1", ("unknown", None, None, 0)),
    ],
)
def test_an_object_is_profiled_by_its_format(key: str, data: bytes, expected: tuple[Any, ...]) -> None:
    assert summary(key, data) == expected


def test_all_problems_are_counted_and_some_are_described() -> None:
    result = profile("a.csv", io.BytesIO(b"x,y\n" + b"1\n" * 50))

    assert result["problems"] == 50
    assert result["examples"][:1] == ["row 2 has 1 cells, but the header has 2"]
    assert len(result["examples"]) == 10

"""Answers: ranges, and what is no object."""

from pathlib import Path

import pytest
from benchmarks.s3.answers import answer, range_of
from benchmarks.s3.bucket import Folder
from benchmarks.s3.requests import Request


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-", (2, 8)),
        ("bytes=2-99", (2, 8)),
        ("bytes=-3", (7, 3)),
        ("bytes=-30", (0, 10)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=1-2", None),
    ],
)
def test_a_range_is_read_as_http_says(header: str | None, expected: tuple[int, int] | None) -> None:
    assert range_of(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_without_a_byte_is_refused(header: str, size: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        range_of(header, size)


@pytest.mark.parametrize("path", ["/b/../secret", "/b/%2e%2e/secret", "/b/none", "/b/folder", "/b//x", "/b/folder/"])
def test_what_is_no_object_is_not_found(tmp_path: Path, path: str) -> None:
    (tmp_path / "b" / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    assert answer(Folder(tmp_path), Request("GET", path, {})).status == 404


@pytest.mark.parametrize(("path", "status"), [("/b", 200), ("/other", 404), ("/..", 404)])
def test_a_bucket_is_a_folder(tmp_path: Path, path: str, status: int) -> None:
    (tmp_path / "b").mkdir()
    assert answer(Folder(tmp_path), Request("HEAD", path, {})).status == status


def test_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    assert answer(Folder(tmp_path), Request("PUT", "/b/key", {})).status == 405

"""`/upload/image` and `/view`."""

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.standin.conftest import StandIn


async def upload(standin: "StandIn", name: str, content: bytes, **fields: str) -> httpx.Response:
    return await standin.http.post("/upload/image", files={"image": (name, content)}, data=fields)


async def uploaded(standin: "StandIn", name: str, content: bytes, **fields: str) -> dict[str, Any]:
    response = await upload(standin, name, content, **fields)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_file_goes_where_it_is_told_to_and_comes_back(standin: "StandIn") -> None:
    answer = await uploaded(standin, "clip ü.bin", b"0123456789", subfolder="job-9/deep")
    assert answer == {"name": "clip ü.bin", "subfolder": "job-9/deep", "type": "input"}
    query = {"filename": answer["name"], "subfolder": answer["subfolder"], "type": answer["type"]}
    assert (await standin.http.get("/view", params=query)).content == b"0123456789"
    part = await standin.http.get("/view", params=query, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")


async def test_a_different_file_of_the_same_name_gets_a_new_name(standin: "StandIn") -> None:
    assert (await uploaded(standin, "a.bin", b"one"))["name"] == "a.bin"
    assert (await uploaded(standin, "a.bin", b"two"))["name"] == "a (1).bin"
    assert (await uploaded(standin, "a.bin", b"one"))["name"] == "a.bin"
    assert (await uploaded(standin, "a.bin", b"two"))["name"] == "a (1).bin"
    assert (await uploaded(standin, "a.bin", b"three"))["name"] == "a (2).bin"
    assert (standin.base / "input" / "a.bin").read_bytes() == b"one"


async def test_overwrite_keeps_the_name(standin: "StandIn") -> None:
    await uploaded(standin, "a.bin", b"one")
    assert (await uploaded(standin, "a.bin", b"two", overwrite="true"))["name"] == "a.bin"
    assert [path.name for path in (standin.base / "input").glob("a*")] == ["a.bin"]
    assert (standin.base / "input" / "a.bin").read_bytes() == b"two"


async def test_another_folder_is_named_by_type(standin: "StandIn") -> None:
    assert (await uploaded(standin, "t.bin", b"x", type="temp"))["type"] == "temp"
    assert (standin.base / "temp" / "t.bin").read_bytes() == b"x"
    assert (await upload(standin, "t.bin", b"x", type="models")).status_code == 400


@pytest.mark.parametrize("subfolder", ["../output", "..", "a/../../.."])
async def test_an_upload_out_of_the_folder_is_refused(standin: "StandIn", subfolder: str) -> None:
    assert (await upload(standin, "a.bin", b"x", subfolder=subfolder)).status_code == 400
    assert not list(standin.base.rglob("a.bin"))


@pytest.mark.parametrize("name", [".", "..", "/etc/x.bin", "../x.bin", "a" * 256])
async def test_a_name_that_is_no_place_for_a_file_is_refused(standin: "StandIn", name: str) -> None:
    before = sorted(standin.base.rglob("*"))
    assert (await upload(standin, name, b"x")).status_code == 400
    assert sorted(standin.base.rglob("*")) == before


async def test_a_name_with_a_folder_is_answered_with_it(standin: "StandIn") -> None:
    assert (await uploaded(standin, "deep/a.bin", b"one"))["name"] == "deep/a.bin"
    assert (await uploaded(standin, "deep/a.bin", b"two"))["name"] == "deep/a (1).bin"


async def test_uploads_of_one_name_at_once_lose_nothing(standin: "StandIn") -> None:
    contents = [bytes([index]) * 50_000 for index in range(16)]
    answers = await asyncio.gather(*(uploaded(standin, "same.bin", content) for content in contents))
    kept = [(standin.base / "input" / answer["name"]).read_bytes() for answer in answers]
    assert kept == contents


async def test_an_upload_without_a_file_is_refused(standin: "StandIn") -> None:
    assert (await standin.http.post("/upload/image", data={"subfolder": "x"})).status_code == 400


async def test_an_upload_beyond_the_limit_is_refused_with_413(standin: "StandIn") -> None:
    response = await upload(standin, "big.bin", bytes(1024 * 1024))
    assert response.status_code == 413
    assert "Maximum request body size 1048576 exceeded" in response.text
    assert not (standin.base / "input" / "big.bin").exists()
    assert (await upload(standin, "small.bin", bytes(1000 * 1000))).status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 404),
        ({"filename": "none.png"}, 404),
        ({"filename": "nu\0l.png"}, 404),
        ({"filename": "n" * 256}, 404),
        ({"filename": "job-123", "type": "input"}, 404),
        ({"filename": "../input/test.png"}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "test.png", "type": "models"}, 400),
        ({"filename": "test.png", "subfolder": "../input"}, 403),
        ({"filename": "passwd", "subfolder": "/etc"}, 403),
        ({"filename": "test.png", "type": "input"}, 200),
        ({"filename": "test.png [input]"}, 200),
        ({"filename": "clip.mp4", "subfolder": "job-123", "type": "input"}, 200),
    ],
)
async def test_only_what_is_in_the_folders_is_viewed(standin: "StandIn", query: dict[str, str], status: int) -> None:
    assert (await standin.http.get("/view", params=query)).status_code == status


async def test_a_page_is_never_shown_as_one(standin: "StandIn") -> None:
    await uploaded(standin, "evil.html", b"<script>alert(1)</script>")
    response = await standin.http.get("/view", params={"filename": "evil.html", "type": "input"})
    assert response.headers["content-type"] == "application/octet-stream"


async def test_a_link_out_of_the_folder_is_not_followed(standin: "StandIn") -> None:
    outside = standin.base / "secret.txt"
    outside.write_text("secret")
    (standin.base / "input" / "link.txt").symlink_to(outside)
    response = await standin.http.get("/view", params={"filename": "link.txt", "type": "input"})
    assert response.status_code == 403

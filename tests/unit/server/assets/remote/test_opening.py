"""Files at URLs are found and read whole, whatever the connection does; what is no file is refused."""

import contextlib
import hashlib
import itertools
import logging
import os
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from comfyfleet.core.errors import FleetError
from comfyfleet.server.assets.remote import Guard, Patience, RemoteFile, open_remote
from comfyfleet.server.assets.remote.errors import (
    RemoteAddressRefused,
    RemoteChanged,
    RemoteNotAFile,
    RemoteRefused,
    RemoteTooLarge,
    RemoteUnavailable,
    RemoteUrlRefused,
    RemoteWrongLength,
)
from comfyfleet.server.assets.remote.guard import Resolve
from comfyfleet.server.assets.remote.tokens import Tokens

from .conftest import LOCAL, PATIENT, Asked, Host, Reply, ranged, resolving, serving

CONTENT = os.urandom(5 * 2**20 + 12345)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@contextlib.asynccontextmanager
async def opened(
    host: Host, path: str = "/m/x.pt", *, tokens: Tokens | None = None, max_bytes: int = 2**40
) -> AsyncIterator[RemoteFile]:
    async with open_remote(
        host.url + path, guard=host.guard, tokens=tokens or {}, max_bytes=max_bytes, patience=PATIENT
    ) as file:
        yield file


async def read(file: RemoteFile, offset: int = 0) -> bytes:
    return b"".join([piece async for piece in file.stream(offset)])


async def refusal_of(host: Host, path: str = "/m/x.pt", tokens: Tokens | None = None) -> FleetError:
    with pytest.raises(FleetError) as refusal:
        async with opened(host, path, tokens=tokens, max_bytes=2**30) as file:
            await read(file)
    return refusal.value


async def test_a_file_is_described_and_read(host: Host) -> None:
    disposition = "attachment; filename*=UTF-8''m%C3%B6del.pt"
    host.answers = lambda asked: ranged(
        asked, CONTENT, **{"Content-Type": "Application/X; a=b", "Content-Disposition": disposition}
    )
    async with opened(host) as file:
        assert (file.filename, file.size, file.content_type) == ("mödel.pt", len(CONTENT), "application/x")
        assert (file.etag, file.sha256, file.url) == ('"one"', None, host.url + "/m/x.pt")
        assert await read(file) == CONTENT
        assert await read(file, 2**20 + 7) == CONTENT[2**20 + 7 :]
        assert await read(file, len(CONTENT)) == b""
    assert host.asked[0].headers["accept-encoding"] == "identity"
    assert [asked.headers.get("range") for asked in host.asked] == ["bytes=0-511", "bytes=0-", "bytes=1048583-"]
    assert [asked.headers.get("if-range") for asked in host.asked] == [None, None, '"one"']


async def test_pieces_are_small(host: Host) -> None:
    host.answers = lambda asked: ranged(asked, CONTENT)
    async with opened(host) as file:
        assert max([len(piece) async for piece in file.stream()]) <= 2**20


async def test_a_file_is_read_from_a_host_that_knows_no_ranges(host: Host) -> None:
    host.answers = lambda _: Reply(200, {}, CONTENT)
    async with opened(host) as file:
        assert file.size == len(CONTENT)
        assert await read(file, 3 * 2**20 + 1) == CONTENT[3 * 2**20 + 1 :]


async def test_a_file_of_unsaid_length_is_counted_and_its_digest_kept(host: Host) -> None:
    host.answers = lambda _: Reply(200, {}, CONTENT, is_chunked=True)
    async with opened(host, "/node.zip") as file:
        assert (file.size, file.sha256) == (len(CONTENT), DIGEST)
        assert await read(file) == CONTENT


async def test_cut_connections_are_taken_up_where_they_broke_off(host: Host) -> None:
    cuts = iter([2**20 + 5, 2 * 2**20, 3, None])

    def answer(asked: Asked) -> Reply:
        reply = ranged(asked, CONTENT)
        is_look = asked.headers["range"] == "bytes=0-511"
        return reply if is_look else Reply(206, reply.headers, reply.body, cut_after=next(cuts))

    host.answers = answer
    async with opened(host) as file:
        assert await read(file) == CONTENT
    starts = [int(asked.headers["range"][6:].partition("-")[0]) for asked in host.asked[1:]]
    assert starts == [0, 2**20, 3 * 2**20, 3 * 2**20]


async def test_a_busy_host_is_asked_again(host: Host) -> None:
    replies = iter([Reply(503, {"Retry-After": "0"}), Reply(429), Reply(is_silent=True)])
    host.answers = lambda asked: next(replies, None) or ranged(asked, b"abc")
    async with opened(host) as file:
        assert await read(file) == b"abc"


@pytest.mark.parametrize("reply", [Reply(500), Reply(is_silent=True), Reply(200, {}, b"abc", is_silent=True)])
async def test_a_host_that_stays_broken_is_given_up(host: Host, reply: Reply) -> None:
    host.answers = lambda _: reply
    assert isinstance(await refusal_of(host), RemoteUnavailable)
    assert len(host.asked) == PATIENT.tries


async def test_a_host_that_falls_silent_is_asked_again(host: Host) -> None:
    replies = iter([Reply(200, {}, b"", length=3, hangs=True), Reply(200, {}, b"", length=3, hangs=True)])
    host.answers = lambda asked: next(replies, None) or ranged(asked, b"abc")
    impatient = Patience(tries=4, pause_seconds=0.001, idle_seconds=0.1)
    async with open_remote(host.url, guard=host.guard, tokens={}, max_bytes=9, patience=impatient) as file:
        assert await read(file) == b"abc"


async def test_a_file_that_always_ends_too_early_is_given_up(host: Host) -> None:
    host.answers = lambda _: Reply(200, {}, CONTENT, cut_after=700)
    refusal = await refusal_of(host)
    assert isinstance(refusal, RemoteUnavailable)
    assert "what has come is kept" in refusal.hint


async def test_a_host_where_nobody_listens_is_unavailable() -> None:
    async with serving() as gone:
        pass
    assert isinstance(await refusal_of(gone), RemoteUnavailable)


@pytest.mark.parametrize("second", ["other", "shorter"])
async def test_a_file_that_changes_while_it_is_read_is_refused(host: Host, second: str) -> None:
    etags = itertools.chain(['"one"', '"one"'], itertools.repeat('"two"' if second == "other" else '"one"'))

    def answer(asked: Asked) -> Reply:
        etag = next(etags)
        is_later = len(host.asked) > 2
        content = CONTENT[:-1] if is_later and second == "shorter" else CONTENT
        reply = ranged(asked, content, etag)
        return reply if is_later else Reply(reply.status, reply.headers, reply.body, cut_after=2**21)

    host.answers = answer
    assert isinstance(await refusal_of(host), RemoteChanged)


async def test_a_host_that_gives_more_than_it_said_is_refused(host: Host) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.headers["range"] == "bytes=0-511":
            return ranged(asked, CONTENT)
        return Reply(200, {"ETag": '"one"'}, CONTENT + b"more", is_chunked=True)

    host.answers = answer
    assert isinstance(await refusal_of(host), RemoteWrongLength)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(206, {}, b"abc"),
        Reply(206, {"Content-Range": "bytes 5-7/*"}, b"abc"),
        Reply(206, {"Content-Range": "lines 0-2/3"}, b"abc"),
        Reply(200, {"Content-Encoding": "gzip"}, b"abc"),
        Reply(200, {"Content-Length": ""}, b"abc"),
        Reply(200, {"X-Linked-Size": "4"}, b"abc"),
    ],
)
async def test_lengths_that_make_no_sense_are_refused(host: Host, reply: Reply) -> None:
    host.answers = lambda _: reply
    assert isinstance(await refusal_of(host), RemoteWrongLength)


async def test_another_part_than_asked_for_is_refused(host: Host) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.headers["range"] == "bytes=4-":
            return Reply(206, {"Content-Range": "bytes 2-9/10", "ETag": '"one"'}, b"23456789")
        return ranged(asked, b"0123456789")

    host.answers = answer
    async with opened(host) as file:
        with pytest.raises(RemoteWrongLength):
            await read(file, 4)


async def test_a_file_that_is_too_large_or_empty_is_refused(host: Host) -> None:
    host.answers = lambda asked: ranged(asked, b"12345")
    with pytest.raises(RemoteTooLarge, match="5 bytes"):
        async with opened(host, max_bytes=4):
            pass
    host.answers = lambda _: Reply(416, {"Content-Range": "bytes */0"})
    assert isinstance(await refusal_of(host), RemoteNotAFile)
    host.answers = lambda _: Reply(200, {}, CONTENT, is_chunked=True)
    with pytest.raises(RemoteTooLarge, match="it has many"):
        async with opened(host, max_bytes=2**20):
            pass


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, {"Content-Type": "text/html; charset=utf-8"}, b"<p>Sign in"),
        Reply(200, {}, b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>"),
        Reply(200, {"Content-Type": "application/json"}, b'{"error": "sign in"}'),
        Reply(200, {"Content-Type": "text/html"}, b"", is_chunked=True),
    ],
)
async def test_a_page_instead_of_a_file_is_refused_with_a_hint_about_signing_in(host: Host, reply: Reply) -> None:
    host.answers = lambda _: reply
    refusal = await refusal_of(host)
    assert isinstance(refusal, RemoteNotAFile)
    assert "sign-in" in refusal.hint


@pytest.mark.parametrize(("status", "words"), [(401, "sign-in"), (403, "sign-in"), (404, "nothing"), (400, "400")])
async def test_a_refusal_of_the_host_is_told_at_once(host: Host, status: int, words: str) -> None:
    host.answers = lambda _: Reply(status)
    refusal = await refusal_of(host)
    assert isinstance(refusal, RemoteRefused)
    assert words in refusal.message
    assert len(host.asked) == 1


async def test_the_digest_and_the_size_that_a_redirect_links_are_kept(host: Host) -> None:
    linked = {"X-Linked-ETag": f'"{DIGEST}"', "X-Linked-Size": str(len(CONTENT)), "Location": "/cdn/0f"}
    host.answers = lambda asked: ranged(asked, CONTENT) if asked.path == "/cdn/0f" else Reply(302, linked)
    async with opened(host) as file:
        assert (file.sha256, file.filename) == (DIGEST, "x.pt")
        assert await read(file) == CONTENT


async def test_a_digest_of_another_kind_is_left_alone(host: Host) -> None:
    host.answers = lambda asked: ranged(asked, b"abc", **{"X-Linked-ETag": '"' + "a" * 40 + '"'})
    async with opened(host) as file:
        assert file.sha256 is None


async def test_a_token_is_sent_to_its_host_only_and_is_in_no_log(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as cdn:
        host.answers = lambda asked: (
            Reply(307, {"Location": "/b"}) if asked.path != "/b" else Reply(302, {"Location": f"{cdn.url}/c?s=1"})
        )
        cdn.answers = lambda asked: ranged(asked, b"abc")
        tokens = {host.url: SecretStr("hf_secret"), cdn.url: SecretStr("cdn_secret")}
        async with opened(host, tokens=tokens) as file:
            assert await read(file) == b"abc"
        assert {asked.headers.get("authorization") for asked in host.asked} == {"Bearer hf_secret"}
        assert {asked.headers.get("authorization") for asked in cdn.asked} == {None}
        assert not any("secret" in asked.path for asked in (*host.asked, *cdn.asked))
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
    assert "secret" not in caplog.text
    assert not any("?s=1" in record.getMessage() for record in caplog.records if record.levelno >= logging.INFO)


async def test_redirects_end(host: Host) -> None:
    host.answers = lambda asked: Reply(302, {"Location": asked.path + "a"})
    assert "more than 5 times" in (await refusal_of(host)).message
    assert len(host.asked) == 6


@pytest.mark.parametrize(
    "location",
    ["http://10.0.0.1/x", "https://169.254.169.254/latest/meta-data", "http://[::1]:1/x", "https://localhost.test/x"],
)
async def test_a_redirect_into_another_network_is_refused(host: Host, location: str) -> None:
    guard = Guard(LOCAL, resolve=_as_written(**{"localhost.test": "192.168.0.1"}))
    host.answers = lambda _: Reply(302, {"Location": location})
    with pytest.raises(RemoteAddressRefused):
        async with open_remote(host.url, guard=guard, tokens={}, max_bytes=9, patience=PATIENT):
            pass


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://a/b", "https://u:p@example.com/", "http://[", ""])
async def test_a_redirect_to_what_is_not_read_is_refused(host: Host, location: str) -> None:
    host.answers = lambda _: Reply(302, {"Location": location})
    assert isinstance(await refusal_of(host), (RemoteUrlRefused, RemoteRefused))


async def test_a_name_that_leads_elsewhere_the_next_time_is_refused(host: Host) -> None:
    host.answers = lambda asked: ranged(asked, b"abc")
    rebinding = Guard(LOCAL, resolve=resolving(models_example=["127.0.0.1", "10.0.0.1"]))
    url = f"http://models.example:{host.port}/x.pt"
    async with open_remote(url, guard=rebinding, tokens={}, max_bytes=9, patience=PATIENT) as file:
        with pytest.raises(RemoteAddressRefused, match=r"10\.0\.0\.1"):
            await read(file)
    assert [asked.headers["host"] for asked in host.asked] == [f"models.example:{host.port}"]


async def test_a_name_that_nobody_knows_is_told_at_once_and_one_that_is_lost_for_a_while_is_asked_for_again(
    host: Host,
) -> None:
    host.answers = lambda asked: ranged(asked, b"abc")
    url = f"http://models.example:{host.port}/x.pt"
    names = {"models_example": ["", "127.0.0.1", "", "127.0.0.1"]}
    guard = Guard(LOCAL, resolve=resolving(**names))
    with pytest.raises(RemoteUnavailable, match="no address"):
        async with open_remote(url, guard=guard, tokens={}, max_bytes=9, patience=PATIENT):
            pass
    assert host.asked == []
    async with open_remote(url, guard=guard, tokens={}, max_bytes=9, patience=PATIENT) as file:
        assert await read(file) == b"abc"


async def test_who_stops_early_leaves_no_connection_open(host: Host) -> None:
    host.answers = lambda asked: ranged(asked, CONTENT)
    async with opened(host) as file:
        async with contextlib.aclosing(file.stream()) as pieces:
            assert len(await anext(pieces)) == 2**20
        assert await read(file, len(CONTENT) - 3) == CONTENT[-3:]


async def test_without_an_allowed_network_this_machine_is_not_asked(host: Host) -> None:
    with pytest.raises(RemoteAddressRefused):
        async with open_remote(host.url, guard=Guard(), tokens={}, max_bytes=9, patience=PATIENT):
            pass
    assert host.asked == []


async def test_proxies_of_the_environment_do_not_go_around_the_guard(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        host.answers = lambda asked: ranged(asked, b"abc")
        async with opened(host) as file:
            assert await read(file) == b"abc"
        assert proxy.asked == []


def _as_written(**names: str) -> Resolve:
    async def resolve(host: str, _port: int) -> list[str]:
        return [names.get(host, host)]

    return resolve

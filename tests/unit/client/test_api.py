from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from comfyfleet.client.api import AnswerUnknown, ControlPlane
from comfyfleet.client.connection import Connection
from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.client.following import follow
from comfyfleet.client.transfers import CHUNK_BYTES, FileChanged, TransferFailed
from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import BalanceView, FleetView, KeyView, Me, NewJob
from comfyfleet.protocol.envelope import Page

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ME = Me(
    email=None,
    role=Role.OPERATOR,
    tenant_id="t",
    tenant_name="T",
    balance=BalanceView(available=7, reserved=0, consumed=0),
)


@pytest.fixture
def client(fake_plane: "FakePlane") -> Iterator[ControlPlane]:
    with ControlPlane(Connection(url=fake_plane.url + "/", api_key=SecretStr("cfk_test"))) as client:
        yield client


def test_a_call_carries_the_key_and_returns_a_typed_answer(client: ControlPlane, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/me", ME)
    assert client.me() == ME
    assert fake_plane.received[0].headers["authorization"] == "Bearer cfk_test"


def test_a_listing_sends_only_the_filters_that_are_set(client: ControlPlane, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/jobs", Page(items=[fake_plane.job()], next_before=17))
    page = client.jobs(status=JobStatus.QUEUED, limit=5)
    assert (page.items[0].id, page.next_before) == (17, 17)
    assert fake_plane.received[0].query == {"status": "queued", "limit": "5"}


def test_the_names_in_a_path_are_quoted(client: ControlPlane, fake_plane: "FakePlane") -> None:
    fleet = FleetView(slug="a", stage="b", name="", workflows=["x"], queue_depth=0)
    fake_plane.says("PUT", "/api/fleets/st%2Fage/a%20b/workflows", fleet)
    assert client.assign_workflows("st/age", "a b", ["x"]) == fleet
    assert fake_plane.received[0].json == {"workflows": ["x"]}


def test_another_tenants_keys_are_asked_for_by_its_slug(client: ControlPlane, fake_plane: "FakePlane") -> None:
    key = KeyView(id="k", name="n", role=Role.USER, hint="…1", created_at=NOW, last_used_at=None, revoked_at=None)
    fake_plane.says("GET", "/api/keys", [key])
    fake_plane.says("DELETE", "/api/keys/k", None)
    assert client.keys("acme") == [key]
    client.revoke_key("k", "acme")
    assert [request.query for request in fake_plane.received] == [{"tenant": "acme"}] * 2


def test_an_answer_of_another_version_is_told(client: ControlPlane, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/me", {"email": None})
    with pytest.raises(AnswerUnknown, match="role: Field required"):
        client.me()


def test_a_server_that_is_away_is_unreachable() -> None:
    with (
        ControlPlane(Connection(url="http://127.0.0.1:9", api_key=SecretStr("k"))) as client,
        pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9 does not answer"),
    ):
        client.me()


def test_a_submission_carries_its_idempotency_key(client: ControlPlane, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/jobs", fake_plane.job(), status=201)
    assert client.submit(NewJob(effect="caption", values={"a": 1.5}), "key-1").id == 17
    request = fake_plane.received[0]
    assert request.headers["idempotency-key"] == "key-1"
    assert request.json == {"effect": "caption", "values": {"a": 1.5}, "priority": 0}


def test_a_submission_whose_answer_was_lost_is_sent_again_with_its_key(
    client: ControlPlane, fake_plane: "FakePlane"
) -> None:
    fake_plane.gives("POST", "/api/jobs", b"bad gateway", status=502)
    fake_plane.says("POST", "/api/jobs", fake_plane.job())
    assert client.submit(NewJob(effect="caption"), "key-1").id == 17
    assert [request.headers["idempotency-key"] for request in fake_plane.received] == ["key-1"] * 2


def test_an_upload_is_streamed_with_the_tickets_headers_and_no_key(
    client: ControlPlane, fake_plane: "FakePlane", tmp_path: Path
) -> None:
    fake_plane.has_upload()
    content = bytes(range(256)) * 3000
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content)
    seen: list[tuple[int, int | None]] = []
    assert client.upload(clip, "video/mp4", lambda moved, total: seen.append((moved, total))) == "upload-1"
    asked, put = fake_plane.received
    assert asked.json == {"filename": "clip.mp4", "content_type": "video/mp4", "size": len(content)}
    assert put.body == content
    assert (put.headers["content-type"], put.headers["content-length"]) == ("video/mp4", str(len(content)))
    assert "authorization" not in put.headers
    assert "transfer-encoding" not in put.headers
    assert seen == [(CHUNK_BYTES, len(content)), (2 * CHUNK_BYTES, len(content)), (len(content), len(content))]


def test_an_upload_that_storage_refuses_says_where(
    client: ControlPlane, fake_plane: "FakePlane", tmp_path: Path
) -> None:
    fake_plane.has_upload()
    fake_plane.answers["PUT", "/objects/upload-1"] = []
    fake_plane.gives("PUT", "/objects/upload-1", b"<Error>Expired</Error>", status=403)
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(TransferFailed, match=f"Storage at {fake_plane.url} answered 403"):
        client.upload(tmp_path / "a", "video/mp4", lambda *_: None)


def test_a_file_that_grows_during_its_upload_is_told(
    client: ControlPlane, fake_plane: "FakePlane", tmp_path: Path
) -> None:
    fake_plane.has_upload()
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"x" * 10)

    def append(_moved: int, _total: int | None) -> None:
        with clip.open("ab") as file:
            file.write(b"more")

    with pytest.raises(FileChanged, match="became longer"):
        client.upload(clip, "video/mp4", append)


def test_a_download_appears_when_it_is_whole(client: ControlPlane, fake_plane: "FakePlane", tmp_path: Path) -> None:
    fake_plane.gives("GET", "/objects/out.mp4", b"result")
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    seen: list[tuple[int, int | None]] = []
    client.download(f"{fake_plane.url}/objects/out.mp4?s=1", target, lambda *step: seen.append(step))
    assert (target.read_bytes(), seen) == (b"result", [(6, 6)])
    assert "authorization" not in fake_plane.received[0].headers


def test_a_download_that_breaks_leaves_what_was_there(
    client: ControlPlane, fake_plane: "FakePlane", tmp_path: Path
) -> None:
    fake_plane.gives("GET", "/objects/out.mp4", b"half", length=100)
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    with pytest.raises(Unreachable):
        client.download(f"{fake_plane.url}/objects/out.mp4", target, lambda *_: None)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert target.read_bytes() == b"old"


def test_an_expired_download_is_refused_in_the_servers_words(
    client: ControlPlane, fake_plane: "FakePlane", tmp_path: Path
) -> None:
    fake_plane.refuses("GET", "/objects/out.mp4", 403, "url_expired", "This address has expired.")
    with pytest.raises(Refused, match="This address has expired"):
        client.download(f"{fake_plane.url}/objects/out.mp4", tmp_path / "out.mp4", lambda *_: None)


def test_a_job_is_followed_over_a_stream_that_breaks(client: ControlPlane, fake_plane: "FakePlane") -> None:
    queued, done = fake_plane.job(), fake_plane.job(JobStatus.COMPLETED)
    half = fake_plane.job(JobStatus.PROCESSING, progress=0.5)
    fake_plane.says("GET", "/api/jobs/17", queued)
    fake_plane.streams(17, queued, half)
    fake_plane.says("GET", "/api/jobs/17", half)
    fake_plane.streams(17, half, done)
    assert list(follow(client, 17, pause_seconds=0.01)) == [queued, half, done]


def test_a_job_is_polled_where_no_stream_comes_through(client: ControlPlane, fake_plane: "FakePlane") -> None:
    queued, done = fake_plane.job(), fake_plane.job(JobStatus.COMPLETED)
    fake_plane.says("GET", "/api/jobs/17", queued)
    fake_plane.gives("GET", "/api/jobs/17/events", b"gateway timeout", status=504)
    fake_plane.says("GET", "/api/jobs/17", done)
    assert list(follow(client, 17, pause_seconds=0.01)) == [queued, done]


def test_a_job_that_is_not_ours_is_not_followed(client: ControlPlane, fake_plane: "FakePlane") -> None:
    fake_plane.refuses("GET", "/api/jobs/17", 404, "job_not_found", "There is no job 17.")
    with pytest.raises(Refused, match="There is no job 17"):
        list(follow(client, 17, pause_seconds=0.01))


def test_following_ends_when_the_server_stays_away(client: ControlPlane, fake_plane: "FakePlane") -> None:
    fake_plane.gives("GET", "/api/jobs/17", b"", status=502)
    with pytest.raises(Unreachable):
        list(follow(client, 17, patience_seconds=0, pause_seconds=0.01))

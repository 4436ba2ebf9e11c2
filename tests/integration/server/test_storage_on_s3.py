"""The same job with media on one S3 server and workflows on another bucket, by configuration alone."""

from pathlib import Path

import httpx
from tests.support.control_plane import running_control_plane
from tests.support.seaweedfs import ACCESS_KEY, SECRET_KEY, client_of, seaweedfs
from tests.support.simple_worker import SimpleWorker

from comfyfleet.cloud.aws.s3 import make_s3_client


async def test_a_job_is_rendered_with_its_files_on_s3(database_url: str, tmp_path: Path) -> None:
    with seaweedfs(tmp_path) as endpoint:
        s3 = client_of(endpoint)
        for bucket in ("media-bucket", "models-bucket"):
            s3.create_bucket(Bucket=bucket)
        settings = {
            "aws_bucket": "media-bucket",
            "aws_endpoint_url": endpoint,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "comfyui_models_bucket": "models-bucket",
            "comfyui_models_endpoint_url": endpoint,
            "comfyui_models_access_key_id": ACCESS_KEY,
            "comfyui_models_secret_access_key": SECRET_KEY,
        }
        async with running_control_plane(database_url, tmp_path, **settings) as control_plane:
            tenant = await control_plane.new_tenant("alpha")
            job = await tenant.submit("invert-video")
            async with SimpleWorker.registered(control_plane.url) as worker:
                leased = await worker.render()
            assert leased["output_url"].startswith(f"{endpoint}/media-bucket/tenants/{tenant.id}/ai-jobs/{job['id']}/")
            done = await tenant.job(job["id"])
            assert done["status"] == "completed"
            async with httpx.AsyncClient(timeout=60) as anyone:
                assert (await anyone.get(done["output_url"])).content == b"rendered"
                page = await anyone.get(f"{control_plane.url}/effects/invert-video")
            assert f"connect-src 'self' {endpoint}" in page.headers["content-security-policy"]
            assert not (tmp_path / "objects").exists()
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket="models-bucket")["Contents"]]
        assert any(key.startswith("workflows/invert-video/") for key in keys)
        s3.close()


def test_a_machines_own_role_is_used_without_keys() -> None:
    client = make_s3_client(region="eu-central-1")
    assert client.meta.region_name == "eu-central-1"
    assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"
    client.close()

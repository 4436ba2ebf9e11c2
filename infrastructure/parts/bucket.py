"""Buckets: private, encrypted, and reached by TLS only."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infrastructure.stages import Stage

_PART_DAYS = 7
_OLD_VERSION_DAYS = 30


def make_bucket(
    scope: Construct,
    construct_id: str,
    name: str,
    stage: Stage,
    *,
    is_versioned: bool = False,
    expires_days: int | None = None,
    logs_to: s3.IBucket | None = None,
    has_browser_uploads: bool = False,
) -> s3.Bucket:
    """Make a bucket. Parts of uploads that nobody completes go after a week, old versions after thirty days."""
    return s3.Bucket(
        scope,
        construct_id,
        bucket_name=name,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=is_versioned,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=_lifecycle(is_versioned=is_versioned, expires_days=expires_days),
        cors=[_uploads_from(stage)] if has_browser_uploads else None,
        server_access_logs_bucket=logs_to,
        server_access_logs_prefix=f"access/{construct_id.lower()}/" if logs_to else None,
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )


def _lifecycle(*, is_versioned: bool, expires_days: int | None) -> list[s3.LifecycleRule]:
    rules = [s3.LifecycleRule(id="parts", abort_incomplete_multipart_upload_after=Duration.days(_PART_DAYS))]
    if is_versioned:
        after = Duration.days(_OLD_VERSION_DAYS)
        rules.append(s3.LifecycleRule(id="old-versions", noncurrent_version_expiration=after))
    if expires_days is not None:
        rules.append(s3.LifecycleRule(id="expiry", expiration=Duration.days(expires_days)))
    return rules


def _uploads_from(stage: Stage) -> s3.CorsRule:
    """Let pages of the site send and read; `ETag` is what a browser has to see of a part that arrived."""
    return s3.CorsRule(
        allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD, s3.HttpMethods.PUT],
        allowed_origins=[stage.site_origin or "https://*"],
        allowed_headers=["content-type", "x-amz-*"],
        exposed_headers=["ETag"],
        max_age=3600,
    )

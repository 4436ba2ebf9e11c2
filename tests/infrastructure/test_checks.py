"""The checks run when templates are written, and a finding stops that."""

from pathlib import Path

import pytest


def test_a_bucket_without_tls_is_not_written(tmp_path: Path) -> None:
    from aws_cdk import Stack  # noqa: PLC0415  # starts Node
    from aws_cdk import aws_s3 as s3  # noqa: PLC0415
    from infrastructure.app import make_app  # noqa: PLC0415

    app = make_app(str(tmp_path))
    s3.Bucket(Stack(app, "Stack"), "Bucket")
    with pytest.raises(RuntimeError, match="AwsSolutions-S10"):
        app.synth()

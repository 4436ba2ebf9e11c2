"""Whom AWS takes us for."""

from typing import Any

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.errors import service_errors
from comfyfleet.cloud.fleet_ports import Identity


class StsAccount:
    """The account that the credentials belong to; see `Account`."""

    def __init__(self, client: Any = None) -> None:
        self._sts = client or make_client("sts")

    def identity(self) -> Identity:
        """Return whom the credentials stand for."""
        with service_errors("Asking AWS who we are"):
            answer = self._sts.get_caller_identity()
        return Identity(account=answer["Account"], region=self._sts.meta.region_name, arn=answer["Arn"])

"""A machine on AWS proves which one it is, by the identity document that AWS has signed.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.x509 import Certificate, load_pem_x509_certificates

from comfyfleet import names
from comfyfleet.core.errors import Forbidden
from comfyfleet.protocol.worker import RegisterRequest
from comfyfleet.server.settings import ServerSettings, ServerSettingsInvalid
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workers.envelopes import EnvelopeInvalid, signed_content


class IdentityRefused(Forbidden):
    """A worker did not prove that it is the machine that it says."""

    code = "identity_refused"


@dataclass(frozen=True)
class InstanceDocument:
    """What AWS says of a machine."""

    instance_id: str
    account: str
    region: str


async def check_identity(wiring: Wiring, request: RegisterRequest) -> None:
    """Check, as far as the settings want it, that a worker is the machine that it says. Opens no transaction.

    Raises:
        IdentityRefused: It shows no document, or one that is not AWS's, or that of another machine, account or region,
            or it is not in its fleet's group.
    """
    settings = wiring.settings
    if settings.worker_identity_check == "off":
        return
    document = read_document(request.identity, read_certificates(settings.aws_identity_certificates))
    check_document(document, request.worker_id, settings)
    if settings.worker_identity_check == "group":
        await _check_membership(wiring, request)


def read_document(identity: str | None, certificates: Sequence[Certificate]) -> InstanceDocument:
    """Return what a signed identity document says."""
    if identity is None:
        raise IdentityRefused(
            "The worker shows no identity document.", hint="It needs ASG_NAME in its environment, and this version."
        )
    try:
        fields = json.loads(signed_content(identity, certificates))
        return InstanceDocument(str(fields["instanceId"]), str(fields["accountId"]), str(fields["region"]))
    except EnvelopeInvalid as error:
        raise IdentityRefused(
            f"The identity document is not AWS's. {error.message}",
            hint="Do AWS_IDENTITY_CERTIFICATES hold the RSA-2048 certificate of the machine's region?",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise IdentityRefused("The identity document lacks what identifies a machine.") from error


def check_document(document: InstanceDocument, worker_id: str, settings: ServerSettings) -> None:
    """Raise `IdentityRefused` unless a document is of this machine, in our account and region."""
    if document.instance_id != worker_id:
        raise IdentityRefused(
            f"The identity document is of {document.instance_id}, not of {worker_id}.",
            hint="WORKER_ID has to be the machine's instance id.",
        )
    if document.account != settings.aws_account_id:
        raise IdentityRefused(
            f"The machine belongs to the account {document.account}.",
            hint="AWS_ACCOUNT_ID is the one that may.",
        )
    if document.region != settings.aws_default_region:
        raise IdentityRefused(
            f"The machine is in {document.region}.", hint=f"Machines of {settings.aws_default_region} may join."
        )


def read_certificates(path: Path | None) -> Sequence[Certificate]:
    """Return the certificates of a PEM file, or of all in a folder.

    Raises:
        ServerSettingsInvalid: It cannot be read, or holds none.
    """
    try:
        if path is None:
            raise ValueError("it is not set")
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        return load_pem_x509_certificates(b"".join(file.read_bytes() for file in files))
    except (OSError, ValueError) as error:
        raise ServerSettingsInvalid(
            f"AWS_IDENTITY_CERTIFICATES holds no certificates: {error}.",
            hint="Name a file or folder with AWS's RSA-2048 certificates; see docs/guides/deploy-on-aws.md.",
        ) from error


async def _check_membership(wiring: Wiring, request: RegisterRequest) -> None:
    group = names.group_name(request.stage or wiring.settings.stage, request.fleet_slug)
    found = await asyncio.to_thread(wiring.groups.group_of, request.worker_id) if wiring.groups else None
    if found != group:
        raise IdentityRefused(
            f"{request.worker_id} is not in the group {group}.", hint="Only machines that the group launched may join."
        )

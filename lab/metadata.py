"""A machine's metadata service, version 2: a token first, then paths.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
"""

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from lab.server import QuietHandler, serve

Pages = Callable[[], Mapping[str, str]]


class Signer:
    """Signs identity documents with a certificate of the lab's own.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-iid.html
    """

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "comfyfleet lab")])
        start = datetime.now(UTC) - timedelta(days=1)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=3650))
        self.certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def certificate_pem(self) -> str:
        """The certificate, as those who verify are given it."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def pages(self, document: str) -> dict[str, str]:
        """Return the document and its signatures, by path."""
        content = document.encode()
        plain = self._key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        signed = (
            pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(self.certificate, self._key, hashes.SHA256())
        )
        envelope = base64.encodebytes(signed.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])).decode().strip()
        root = "dynamic/instance-identity/"
        return {
            f"{root}document": document,
            f"{root}signature": base64.b64encode(plain).decode(),
            f"{root}rsa2048": envelope,
            f"{root}pkcs7": envelope,
        }


class MetadataService:
    """Serves the pages of one machine, which are asked for anew at each request."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self._tokens: dict[str, float] = {}
        self._server = serve(self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def token(self, seconds: str | None) -> str | None:
        """Return a new token, or None for a life that is none: 1 second to 6 hours."""
        if seconds is None or not seconds.isdigit() or not 1 <= int(seconds) <= 21600:
            return None
        token = secrets.token_urlsafe(32)
        self._tokens[token] = time.monotonic() + int(seconds)
        return token

    def look(self, path: str, token: str | None) -> tuple[int, str]:
        """Return status and text of a page, or of the list of those below it."""
        if self._tokens.get(token or "", 0) < time.monotonic():
            return 401, ""
        wanted = path.removeprefix("/latest/")
        pages = self.pages()
        if wanted in pages:
            return 200, pages[wanted]
        folder = wanted.rstrip("/") + "/"
        below = {name[len(folder) :] for name in pages if name.startswith(folder)}
        names = sorted({one.split("/")[0] + ("/" if "/" in one else "") for one in below})
        return (200, "\n".join(names)) if names else (404, "")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(QuietHandler):
            def do_PUT(self) -> None:  # noqa: N802 - a name of http.server
                seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
                token = service.token(seconds) if self.path == "/latest/api/token" else None
                headers = {"X-aws-ec2-metadata-token-ttl-seconds": seconds or ""}
                self.send(200 if token else 400, headers, (token or "").encode())

            def do_GET(self) -> None:  # noqa: N802 - a name of http.server
                status, text = service.look(self.path, self.headers.get("X-aws-ec2-metadata-token"))
                self.send(status, {"Content-Type": "text/plain"}, text.encode())

        return Handler

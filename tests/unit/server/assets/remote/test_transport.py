"""Connections go to judged addresses, and the certificate must be that of the name."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from comfyfleet.server.assets.remote import Guard, open_remote
from comfyfleet.server.assets.remote.errors import RemoteUnavailable

from .conftest import LOCAL, PATIENT, Host, ranged, resolving, serving


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server of that name shows, and a client's settings that trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(key.private_bytes(*formats) + public)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=public.decode())


@pytest.mark.parametrize("addresses", ["127.0.0.1", "127.0.0.9 127.0.0.1"])
async def test_tls_is_checked_against_the_name_though_an_address_is_connected_to(
    tmp_path: Path, addresses: str
) -> None:
    server, client = certificate_for("models.example", tmp_path)
    seen: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: seen.append(name)
    guard = Guard(LOCAL, resolve=resolving(models_example=[addresses], other_example=["127.0.0.1"]))
    async with serving(lambda asked: ranged(asked, b"abc"), tls=server) as host:
        url = f"https://models.example:{host.port}/x.pt"
        async with open_remote(url, guard=guard, tokens={}, max_bytes=9, patience=PATIENT, tls=client) as file:
            assert [piece async for piece in file.stream()] == [b"abc"]
        assert set(seen) == {"models.example"}
        assert {asked.headers["host"] for asked in host.asked} == {f"models.example:{host.port}"}

        with pytest.raises(RemoteUnavailable, match=r"(?i)certificate"):
            async with open_remote(
                url.replace("models", "other"), guard=guard, tokens={}, max_bytes=9, patience=PATIENT, tls=client
            ):
                pass


async def test_no_connection_serves_another_request(host: Host) -> None:
    host.answers = lambda asked: ranged(asked, b"abc")
    async with open_remote(host.url, guard=host.guard, tokens={}, max_bytes=9, patience=PATIENT) as file:
        assert [piece async for piece in file.stream()] == [b"abc"]
    assert (host.connections, len(host.asked)) == (2, 2)

import base64
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import load_pem_x509_certificates
from hypothesis import given
from hypothesis import strategies as st
from lab.metadata import Signer

from comfyfleet.server.workers.encodings import to_der
from comfyfleet.server.workers.envelopes import EnvelopeInvalid, signed_content

DATA = Path(__file__).parents[2] / "data" / "identity"
RECORDED = (DATA / "envelope.txt").read_text()
CERTIFICATES = load_pem_x509_certificates((DATA / "certificate.pem").read_bytes())
PAGE = "dynamic/instance-identity/rsa2048"


def test_an_envelope_of_openssl_with_indefinite_lengths_is_read() -> None:
    assert b'"instanceId" : "i-0123456789abcdef0"' in signed_content(RECORDED, CERTIFICATES)


def test_one_of_several_certificates_suffices() -> None:
    signer = Signer()
    envelope = signer.pages("a document")[PAGE]
    assert signed_content(envelope, [*CERTIFICATES, signer.certificate]) == b"a document"


def test_a_certificate_that_is_not_ours_is_not_believed_though_it_lies_in_the_envelope() -> None:
    with pytest.raises(EnvelopeInvalid, match="None of the certificates"):
        signed_content(Signer().pages("a document")[PAGE], CERTIFICATES)
    with pytest.raises(EnvelopeInvalid):
        signed_content(RECORDED, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"i-0123456789abcdef0", b"i-0123456789abcdef1"),
        lambda raw: raw[:-20] + bytes([raw[-20] ^ 1]) + raw[-19:],
        lambda raw: raw[:200],
        lambda raw: raw[:-2] + b"\0",
        lambda _: b"",
        lambda _: b"\x30\x80" * 5000,
    ],
)
def test_whatever_was_changed_is_refused(change: Callable[[bytes], bytes]) -> None:
    changed = change(base64.b64decode(RECORDED))
    with pytest.raises(EnvelopeInvalid):
        signed_content(base64.b64encode(changed).decode(), CERTIFICATES)


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", "MIAGCSqGSIb3DQEHAqCAMIACAQEx"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(EnvelopeInvalid):
        signed_content(text, CERTIFICATES)


def test_a_weaker_digest_is_refused() -> None:
    signer = Signer()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(b"a document")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signed = builder.add_signer(signer.certificate, key, hashes.SHA512()).sign(
        Encoding.DER, [pkcs7.PKCS7Options.Binary]
    )
    with pytest.raises(EnvelopeInvalid, match="SHA-256"):
        signed_content(base64.b64encode(signed).decode(), [signer.certificate])


@pytest.mark.parametrize(
    ("basic", "distinguished"),
    [
        ("0403616263", "0403616263"),
        ("2480 0401 61 0402 6263 0000", "0403616263"),
        ("3080 0201 05 3080 0500 0000 0000", "3007 020105 3002 0500"),
        ("30 8104 02 8101 05", "3003 020105"),
        ("3000", "3000"),
    ],
)
def test_a_basic_encoding_becomes_a_distinguished_one(basic: str, distinguished: str) -> None:
    assert to_der(bytes.fromhex(basic)) == bytes.fromhex(distinguished)


@pytest.mark.parametrize("wrong", ["", "30", "3080", "308002", "0480", "3f00", "0403 6162", "050000", "3002 020105"])
def test_an_encoding_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"encoding|length|part"):
        to_der(bytes.fromhex(wrong))


@given(st.binary(max_size=200))
def test_no_bytes_whatever_do_more_than_be_refused(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert to_der(to_der(content)) == to_der(content)

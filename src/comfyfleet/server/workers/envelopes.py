"""Signed envelopes (CMS, formerly PKCS #7) as a machine's metadata service has them: who signed, and what.

https://datatracker.ietf.org/doc/html/rfc5652#section-5
"""

import base64
import binascii
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate
from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc5652

from comfyfleet.core.errors import Invalid
from comfyfleet.server.workers.encodings import to_der

_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_LEAST_KEY_BITS: Final = 2048


class EnvelopeInvalid(Invalid):
    """This is no signed envelope, or none that one of the certificates has signed."""

    code = "envelope_invalid"


def signed_content(text: str, certificates: Sequence[Certificate]) -> bytes:
    """Return what an envelope holds, which one of the certificates' keys has signed with RSA and SHA-256.

    Args:
        text: The envelope in base64, as AWS gives it: without the lines that begin and end a PEM file.
        certificates: Those that are believed. Certificates in the envelope are not looked at.

    Raises:
        EnvelopeInvalid: It cannot be read, or none of the certificates fits.
    """
    try:
        signed = _signed_data(base64.b64decode("".join(text.split()), validate=True))
        content = bytes(signed["encapContentInfo"]["eContent"])
        [signer] = signed["signerInfos"]
        if str(signer["digestAlgorithm"]["algorithm"]) != _SHA256:
            raise EnvelopeInvalid("The envelope was not signed with SHA-256.")
        covered, signature = _covered(signer, content), bytes(signer["signature"])
    except (PyAsn1Error, binascii.Error, ValueError, KeyError, TypeError) as error:
        raise EnvelopeInvalid("This is no signed envelope.") from error
    if not any(_has_signed(certificate, signature, covered) for certificate in certificates):
        raise EnvelopeInvalid("None of the certificates has signed the envelope.")
    return content


def _signed_data(content: bytes) -> Any:
    outer, rest = decoder.decode(to_der(content), asn1Spec=rfc5652.ContentInfo())
    if rest or outer["contentType"] != rfc5652.id_signedData:
        raise EnvelopeInvalid("This is no signed envelope.")
    return decoder.decode(outer["content"], asn1Spec=rfc5652.SignedData())[0]


def _covered(signer: Any, content: bytes) -> bytes:
    """Return the bytes that the signature covers: the content, or attributes that hold the content's digest."""
    if not signer["signedAttrs"].hasValue():
        return content
    attributes = rfc5652.SignedAttributes()  # without the tag that they have inside of the signer
    attributes.extend(signer["signedAttrs"])
    digests = [one["attrValues"] for one in attributes if one["attrType"] == rfc5652.id_messageDigest]
    [[told]] = digests
    digest = bytes(decoder.decode(told, asn1Spec=rfc5652.MessageDigest())[0])
    if not compare_digest(digest, sha256(content).digest()):
        raise EnvelopeInvalid("The envelope's content was changed.")
    return bytes(encoder.encode(attributes))


def _has_signed(certificate: Certificate, signature: bytes, covered: bytes) -> bool:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_KEY_BITS:
        return False
    try:
        key.verify(signature, covered, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True

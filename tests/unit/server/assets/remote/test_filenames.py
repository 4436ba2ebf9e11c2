"""The names of remote files."""

import httpx
import pytest

from comfyfleet.server.assets.remote.filenames import filename_of, safe_name

ASKED = httpx.URL("https://example.com/models/a%20b.safetensors")
FINAL = httpx.URL("https://cdn.example.com/0f3c")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="x.pt"', "x.pt"),
        ("attachment; filename=x.pt", "x.pt"),
        ("inline; filename*=UTF-8''%E2%82%AC%20x.pt; filename=\"e x.pt\";", "€ x.pt"),
        ("attachment; filename=\"plain.pt\"; filename*=iso-8859-1'en'%A3.pt", "£.pt"),
        ("attachment; filename=\"plain.pt\"; filename*=utf-9''x", "plain.pt"),
        (r'attachment; filename="a \"b\";c.pt"', 'a "b";c.pt'),
        ('ATTACHMENT ; FileName = "x.pt"', "x.pt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        (r'attachment; filename="..\\..\\boot.ini"', "boot.ini"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.pt", "x.pt"),
        ('attachment; filename="a\u202etp.exe"', "atp.exe"),
        ('attachment; filename=".."', "a b.safetensors"),
        ('attachment; filename=""', "a b.safetensors"),
        ("attachment", "a b.safetensors"),
        (None, "a b.safetensors"),
    ],
)
def test_the_header_goes_before_the_url(header: str | None, name: str) -> None:
    assert filename_of(header, ASKED, FINAL) == name


def test_a_url_with_a_suffix_goes_before_one_without() -> None:
    asked = httpx.URL("https://example.com/api/download/12")
    assert filename_of(None, asked, httpx.URL("https://cdn.example.com/x/model.pt?s=1")) == "model.pt"
    assert filename_of(None, asked, FINAL) == "12"
    assert filename_of(None, httpx.URL("https://example.com"), httpx.URL("https://example.com/")) == "download"


def test_a_long_name_is_cut_before_its_suffix() -> None:
    name = safe_name("ü" * 300 + ".safetensors")
    assert name.endswith("ü.safetensors")
    assert len(name.encode()) <= 255
    assert len(safe_name("x" * 300).encode()) == 255
    assert len(safe_name("x." + "y" * 300).encode()) <= 255

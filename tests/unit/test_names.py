"""Names that other systems rely on."""

import pytest

from comfyfleet import names


@pytest.mark.parametrize(
    ("filename", "safe"),
    [
        ("clip.mp4", "clip.mp4"),
        ("日本.mp4", "file.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\videos\\my clip.mov", "my-clip.mov"),
        (".hidden", "file.hidden"),
        ("no extension", "no-extension"),
        ("a.b.c.tar.gz", "a.b.c.tar.gz"),
        ("", "file"),
        ("...", "file"),
        ("x" * 300 + ".mp4", "x" * 116 + ".mp4"),
        ("name.with spaces", "name.with-spaces"),
        ("a\x00b.png", "a-b.png"),
    ],
)
def test_a_filename_becomes_one_harmless_segment(filename: str, safe: str) -> None:
    assert names.safe_filename(filename) == safe


def test_keys_are_those_of_the_contract() -> None:
    assert names.workflow_key("my-flow", "ab12") == "workflows/my-flow/ab12.json"
    assert names.upload_key("t", "u", "clip.mp4") == "tenants/t/uploads/u/clip.mp4"
    assert names.output_key("t", 17, "output.mp4") == "tenants/t/ai-jobs/17/output.mp4"

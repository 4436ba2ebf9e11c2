"""Relative paths that stay where they are told to."""

import pytest

from comfyfleet.core.paths import PathRefused, check_relative_path, collision_key


@pytest.mark.parametrize("path", ["a", "models/loras/a b.safetensors", "custom_nodes/ünï", "a/...", "a/.hidden"])
def test_plain_paths_are_taken(path: str) -> None:
    assert check_relative_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a/./b",
        "a//b",
        "a/",
        "..",
        "C:/a",
        "c:a",
        "a\\..\\b",
        "a\x00b",
        "a\nb",
        "a\x85b",
        "\ud800",
        "x" * 256,
        "a/" * 600 + "a",
    ],
)
def test_paths_that_could_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(PathRefused):
        check_relative_path(path)


def test_case_and_unicode_form_do_not_make_paths_differ() -> None:
    assert collision_key("Models/LoRAs/\u00e9") == collision_key("models/loras/e\u0301")
    assert collision_key("stra\u00dfe") == collision_key("STRASSE")
    assert collision_key("a") != collision_key("b")

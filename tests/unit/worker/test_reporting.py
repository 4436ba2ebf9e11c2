from pathlib import Path
from typing import Any

import pytest

from comfyfleet.worker.reporting import figures_of, read_bundle_id

REAL = {
    "system": {"comfyui_version": "0.33.0", "python_version": "3.12"},
    "devices": [
        {
            "name": "cuda:0 NVIDIA A10G : cudaMallocAsync",
            "type": "cuda",
            "index": 0,
            "vram_total": 23_000_000_000,
            "vram_free": 20_000_000_000,
            "torch_vram_total": 1_000_000_000,
            "torch_vram_free": 10_000_000,
        }
    ],
}


def test_figures_are_what_comfyui_tells() -> None:
    figures = figures_of(REAL)
    assert figures is not None
    assert figures.comfyui_version == "0.33.0"
    [gpu] = figures.gpus
    assert (gpu.name, gpu.vram_total, gpu.torch_vram_free) == (
        "cuda:0 NVIDIA A10G : cudaMallocAsync",
        23_000_000_000,
        10_000_000,
    )


@pytest.mark.parametrize(
    "stats",
    [
        {},
        {"system": None, "devices": None},
        {"devices": [{"name": None, "vram_total": "much", "vram_free": -1, "torch_vram_total": 2**80}]},
        {"devices": [{"name": "n" * 500}] * 100, "system": {"comfyui_version": "v" * 500}},
    ],
)
def test_what_is_missing_or_strange_is_left_out(stats: dict[str, Any]) -> None:
    figures = figures_of(stats)
    assert figures is not None
    assert all(gpu.vram_total is None and gpu.torch_vram_total is None for gpu in figures.gpus)


@pytest.mark.parametrize("stats", [{"devices": {"0": 1}}, {"system": "x"}, {"devices": ["gpu"]}])
def test_an_answer_that_makes_no_sense_has_no_figures(stats: dict[str, Any]) -> None:
    assert figures_of(stats) is None


def test_the_bundle_is_what_was_applied_last(tmp_path: Path) -> None:
    assert read_bundle_id(None) is None
    assert read_bundle_id(tmp_path) is None
    (tmp_path / ".active_bundle_id").write_text(" 6c2e1b2c\n")
    assert read_bundle_id(tmp_path) == "6c2e1b2c"
    (tmp_path / ".active_bundle_id").write_bytes(b"\xff\xfe\x00")
    assert read_bundle_id(tmp_path) is None
    (tmp_path / ".active_bundle_id").write_text("x" * 500)
    assert read_bundle_id(tmp_path) == "x" * 64

import io
import sys
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image
from tests.integration.worker.conftest import Crew, StandIn, invert_image
from tests.integration.worker.plane import Plane

MIB: Final = 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the most memory that another process has held")
async def test_a_large_file_never_lies_in_memory_as_a_whole(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    noise = large_noise()
    assert len(noise) > 36 * MIB
    with crew.process(comfyui.url) as worker:
        await plane.told("poll")
        before = most_memory(worker.process.pid)
        job = plane.offer(invert_image("large"), "3")
        plane.attach(job, "{{INPUT_IMAGE}}", "noise.png", noise)
        await plane.told("complete")
        assert most_memory(worker.process.pid) - before < 18 * MIB
    assert len(plane.outputs["out-1"].content) > 36 * MIB


def large_noise() -> bytes:
    """Return a picture that no compression makes smaller."""
    pixels = np.random.default_rng(1).integers(0, 256, (3600, 3600, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def most_memory(pid: int) -> int:
    """Return the most memory that a process has held so far, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kib) * 1024

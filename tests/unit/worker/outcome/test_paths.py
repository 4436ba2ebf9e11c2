import pytest

from comfyfleet.worker.outcome.paths import without_folders


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("cannot identify image file '/opt/comfyui/input/broken.png'", "cannot identify image file 'broken.png'"),
        ("no such file: /home/ubuntu/ComfyUI/input/comfyfleet-job-7-1/clip.mp4.", "no such file: clip.mp4."),
        ("[Errno 2] No such file: '/mnt/my disk/input/my photo.png'", "[Errno 2] No such file: 'my photo.png'"),
        ("cannot read C:\\ComfyUI\\input\\a.png: denied", "cannot read a.png: denied"),
        ('in file "file:///srv/comfy/temp/a.webp"', 'in file "a.webp"'),
        ("/root/.cache/comfyfleet/worker/job-3-x/a.png is empty", "a.png is empty"),
        ("Invalid image file: comfyfleet-job-12-3/a.png", "Invalid image file: a.png"),
        ("(/opt/comfyui/models/vae/ft.safetensors)", "(models/vae/ft.safetensors)"),
        ("/data/models/ComfyUI/models/loras/x/y.safetensors", "models/loras/x/y.safetensors"),
        ('File "/opt/comfyui/custom_nodes/Pack/nodes.py", line 3', 'File "custom_nodes/Pack/nodes.py", line 3'),
        ("'/opt/a/one.png' and '/opt/b/two.png'", "'one.png' and 'two.png'"),
    ],
)
def test_a_path_of_this_machine_is_shortened(told: str, shown: str) -> None:
    assert without_folders(told) == shown


@pytest.mark.parametrize(
    "text",
    [
        "see https://example.com/models/readme.md and http://127.0.0.1:8188/upload/image",
        "expected and/or 1/2, got 3/4 at models/vae/x.pt",
        "the separator '/' or /",
        "Argument #4: padding (31, 31) at dimension 3 of input [1, 3, 4, 4]",
        "ratio 16:9, a:/, b//c",
        "answered /prompt with 500",
    ],
)
def test_what_is_no_path_of_this_machine_stays(text: str) -> None:
    assert without_folders(text) == text

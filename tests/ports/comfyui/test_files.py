"""Uploads, their names, and how files are read back."""

from tests.support.comfyui_target import Target

HUNDRED_MIB = 100 * 2**20


def test_a_different_file_of_the_same_name_gets_a_new_name(comfyui: Target) -> None:
    first = comfyui.upload("same.bin", b"first", subfolder="names").json()
    again = comfyui.upload("same.bin", b"first", subfolder="names").json()
    other = comfyui.upload("same.bin", b"other", subfolder="names").json()
    assert first == {"name": "same.bin", "subfolder": "names", "type": "input"}
    assert again["name"] == "same.bin"
    assert other["name"] == "same (1).bin"
    assert comfyui.view({"filename": "same (1).bin", "subfolder": "names", "type": "input"}) == b"other"


def test_an_overwrite_keeps_the_name(comfyui: Target) -> None:
    comfyui.upload("over.bin", b"first", overwrite="true")
    assert comfyui.upload("over.bin", b"second", overwrite="true").json()["name"] == "over.bin"
    assert comfyui.view({"filename": "over.bin", "type": "input"}) == b"second"


def test_an_upload_over_100_mib_is_refused(comfyui: Target) -> None:
    assert comfyui.upload("big.bin", bytes(HUNDRED_MIB + 1)).status_code == 413


def test_an_upload_out_of_the_input_folder_is_refused(comfyui: Target) -> None:
    assert comfyui.upload("x.bin", b"x", subfolder="../../outside").status_code == 400


def test_what_does_not_exist_is_404(comfyui: Target) -> None:
    assert comfyui.http.get("/view", params={"filename": "nothing.png"}).status_code == 404


def test_a_view_out_of_the_folder_is_refused(comfyui: Target) -> None:
    outside = ({"filename": "../../etc/passwd"}, {"filename": "passwd", "subfolder": "../../../etc"})
    assert [comfyui.http.get("/view", params=params).status_code for params in outside] == [400, 403]


def test_a_view_without_a_name_is_refused(comfyui: Target) -> None:
    assert comfyui.http.get("/view").status_code in {400, 404}

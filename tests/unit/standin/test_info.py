"""What the stand-in says of itself and of its nodes."""

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Graphs, StandIn


async def test_it_says_everywhere_that_it_is_the_stand_in(standin: "StandIn", graphs: "Graphs") -> None:
    stats = (await standin.http.get("/system_stats")).json()
    assert stats["system"]["comfyui_version"] == "0.33.0-standin"
    assert stats["system"]["argv"][0] == "comfyfleet.standin"
    assert "not ComfyUI" in stats["devices"][0]["name"]
    page = await standin.http.get("/")
    assert "This is not ComfyUI" in page.text
    assert "TextOverlay" in page.text
    outputs = await standin.run(graphs.image())
    with Image.open(standin.base / "output" / outputs["2"]["images"][0]["filename"]) as picture:
        assert "not ComfyUI" in picture.info["Software"]


async def test_a_node_is_described_in_the_form_of_comfyui(standin: "StandIn") -> None:
    info = (await standin.http.get("/object_info/SaveText")).json()["SaveText"]
    assert info["input"]["required"]["text"] == ["STRING", {"forceInput": True, "multiline": False}]
    assert info["input"]["required"]["format"][0] == "COMBO"
    assert info["input"]["required"]["format"][1]["options"] == ["txt", "md", "json"]
    assert info["input_order"] == {"required": ["text", "filename_prefix", "format"]}
    assert (info["output"], info["output_name"], info["output_node"]) == (["STRING"], ["text"], True)
    assert (await standin.http.get("/object_info/Unknown")).json() == {}


async def test_both_forms_of_choices_are_in_the_description(standin: "StandIn") -> None:
    info = (await standin.http.get("/object_info")).json()
    assert info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] == []
    assert info["LoadImage"]["input"]["required"]["image"] == [["broken.png", "test.png"], {"image_upload": True}]
    assert info["SaveVideo"]["input"]["optional"]["format.codec"][1]["options"] == ["auto", "h264"]


async def test_a_model_file_appears_as_soon_as_it_is_there_and_still_cannot_be_run(
    standin: "StandIn", graphs: "Graphs"
) -> None:
    folder = standin.base / "models" / "checkpoints" / "sdxl"
    folder.mkdir(parents=True)
    (folder / "base.safetensors").write_bytes(b"")
    graph = graphs.workflow("iv_missing_checkpoint")
    graph["4"]["inputs"]["ckpt_name"] = "sdxl/base.safetensors"
    entry = await standin.ended(await standin.submit(graph))
    name, error = entry["status"]["messages"][-1]
    assert name == "execution_error"
    assert "stand-in knows" in error["exception_message"]
    assert "real ComfyUI" in error["exception_message"]

"""What is found in files on arrival, and that no file of any kind is more than a finding."""

import io
import json
import os
import pickle
import random
import struct
import tarfile
import zipfile
from typing import Any

import pytest

from comfyfleet.core.assets import AssetKind
from comfyfleet.server.assets.inspection import Inspection, inspect


def look(content: bytes, filename: str, kind: AssetKind = AssetKind.OTHER) -> Inspection:
    return inspect(io.BytesIO(content), filename, len(content), kind)


def safetensors(tensors: dict[str, list[int]], metadata: dict[str, str] | None = None, **changes: Any) -> bytes:
    """Return a file of F16 tensors of these shapes."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in tensors.items():
        size = 2
        for length in shape:
            size *= length
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    for name, change in changes.items():
        header[name] = {**header.get(name, {}), **change}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


class Attack:
    """Pickles as a call."""

    def __reduce__(self) -> Any:
        return (os.system, ("true",))


def torch_zip(payload: bytes) -> bytes:
    """Return what `torch.save` writes, in small."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", payload)
        archive.writestr("model/data/0", bytes(64))
    return buffer.getvalue()


def test_a_safetensors_header_is_read() -> None:
    metadata = {
        "modelspec.title": "Ink",
        "ss_base_model_version": "sdxl_base_v1-0",
        "modelspec.trigger_phrase": "ink, wash",
    }
    found = look(safetensors({"a.lora_up.weight": [2, 3], "a.lora_down.weight": [4]}, metadata), "x.safetensors")
    assert found.format == "safetensors"
    assert found.suggested_kind is AssetKind.LORA
    assert not found.is_quarantined
    document = found.to_document()
    assert (document["tensor_count"], document["parameters"], document["dtypes"]) == (2, 10, {"F16": 2})
    assert (document["base_model"], document["title"]) == ("sdxl_base_v1-0", "Ink")
    assert document["trigger_words"] == ["ink", "wash"]
    json.dumps(document)


def test_trigger_words_are_counted_from_the_tags_of_a_training() -> None:
    tags = json.dumps({"10_ink": {"ink wash": 30, "river": 3}, "5_more": {"ink wash": 2}})
    found = look(safetensors({"w": [1]}, {"ss_tag_frequency": tags}), "x.safetensors")
    assert found.findings["trigger_words"][0] == "ink wash"


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["lora_unet_x.lora_up.weight"], AssetKind.LORA),
        (["model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model.transformer.x"], AssetKind.CHECKPOINT),
        (["double_blocks.0.img_attn.qkv.weight"], AssetKind.DIFFUSION_MODEL),
        (["text_model.embeddings.x"], AssetKind.TEXT_ENCODER),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], AssetKind.VAE),
        (["vision_model.embeddings.x"], AssetKind.CLIP_VISION),
        (["something.else"], None),
    ],
)
def test_the_kind_is_guessed_by_the_names_of_tensors(names: list[str], kind: AssetKind | None) -> None:
    assert look(safetensors({name: [1] for name in names}), "x.safetensors").suggested_kind is kind


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        (2**40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"nope",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        safetensors({"a": [4]})[:-1],
        safetensors({"a": [4]}) + b"more",
        safetensors({"a": [4]}, a={"data_offsets": [2, 10]}),
        safetensors({"a": [4], "b": [4]}, b={"data_offsets": [4, 12]}),
        safetensors({"a": [4]}, a={"data_offsets": [8, 0]}),
        safetensors({"a": [4]}, a={"shape": [-4]}),
        safetensors({"a": [4]}, a={"shape": "4"}),
        safetensors({"a": [4]}, a={"dtype": "F64"}),
        (22).to_bytes(8, "little") + b'{"a":{},"a":{},"b":{}}',
    ],
    ids=range(15),
)
def test_a_header_that_makes_no_sense_is_a_finding(content: bytes) -> None:
    found = look(content, "x.safetensors")
    assert found.findings["problem"]
    assert found.suggested_kind is None


@pytest.mark.parametrize("wrap", [bytes, torch_zip], ids=["raw", "torch"])
@pytest.mark.parametrize("filename", ["x.pt", "x.bin", "x.ckpt", "x.pth"])
def test_a_pickle_that_runs_a_command_is_quarantined(filename: str, wrap: Any) -> None:
    found = look(wrap(pickle.dumps(Attack())), filename)
    assert found.is_quarantined
    assert found.findings["scan"] == "dangerous"
    assert any("system" in name for name in found.findings["dangerous"])


def test_a_dangerous_pickle_is_found_whatever_its_name_is() -> None:
    assert look(torch_zip(pickle.dumps(Attack())), "harmless.dat").is_quarantined
    assert look(pickle.dumps(Attack()), "harmless.dat").is_quarantined
    assert look(torch_zip(pickle.dumps(Attack())), "node.zip").is_quarantined


@pytest.mark.parametrize("wrap", [bytes, torch_zip], ids=["raw", "torch"])
def test_a_pickle_of_numbers_is_safe(wrap: Any) -> None:
    found = look(wrap(pickle.dumps({"a": [1, 2.5, "text"]})), "x.pt")
    assert (found.findings["scan"], found.is_quarantined) == ("safe", False)


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps(Attack())[:-8] + b"\xff\xff", torch_zip(b"")[:-30]], ids=range(4)
)
def test_what_cannot_be_taken_apart_is_quarantined(content: bytes) -> None:
    found = look(content, "x.pt")
    assert found.is_quarantined
    assert found.findings["scan"] in {"unscannable", "dangerous"}


def test_a_pickle_that_claims_gigabytes_is_not_read() -> None:
    claim = b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"x"
    assert look(claim, "x.pt").is_quarantined
    assert look(b"\x80\x02c" + b"a" * 2**20, "x.pt").is_quarantined


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


NODE = {"ComfyUI-Foo/__init__.py": b"x = 1", "ComfyUI-Foo/requirements.txt": b"numpy"}


@pytest.mark.parametrize(("content", "name"), [(zip_of(NODE), "foo.zip"), (tar_of(NODE), "foo.tar.gz")])
def test_an_archive_of_a_custom_node_is_listed(content: bytes, name: str) -> None:
    found = look(content, name)
    assert found.format == "archive"
    assert found.suggested_kind is AssetKind.CUSTOM_NODE
    assert found.findings["files"] == 2
    assert found.findings["tops"] == ["ComfyUI-Foo"]
    assert found.findings["marks"] == ["__init__.py", "requirements.txt"]
    assert found.findings["problem"] is None


@pytest.mark.parametrize(("make", "name"), [(zip_of, "foo.zip"), (tar_of, "foo.tgz")])
def test_an_archive_that_would_be_refused_says_why(make: Any, name: str) -> None:
    assert "escape" in look(make({"../escape": b"x"}), name).findings["problem"]
    assert look(make(NODE)[:-30], name).findings["problem"]


def test_gguf_is_known() -> None:
    found = look(b"GGUF" + struct.pack("<IQQ", 3, 291, 20), "x.gguf")
    assert (found.format, found.findings) == ("gguf", {"version": 3, "tensor_count": 291})


def test_other_files_are_just_files() -> None:
    assert look(b"hello", "readme.txt") == Inspection("file")


def test_no_damage_to_a_file_is_more_than_a_finding() -> None:
    chance = random.Random(7)  # noqa: S311 - the same damage each time
    good = [
        (safetensors({"a.lora_up.weight": [8, 8]}, {"k": "v"}), "a.safetensors"),
        (torch_zip(pickle.dumps({"a": [1] * 50})), "a.pt"),
        (pickle.dumps({"a": [1] * 50}), "a.ckpt"),
        (zip_of(NODE), "a.zip"),
        (tar_of(NODE), "a.tar.gz"),
        (b"GGUF" + bytes(20), "a.gguf"),
    ]
    for _ in range(300):
        for content, name in good:
            damaged = bytearray(content)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            json.dumps(look(bytes(damaged[: chance.randint(1, len(damaged))]), name).to_document())

from pathlib import Path

import pytest

from comfyfleet.cli.asset_files import files_to_add
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.core.assets import AssetKind


def put(folder: Path, *names: str, content: bytes = b"x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def shown(*named: str) -> list[str]:
    return [file.shown for file in files_to_add(named)]


@pytest.fixture
def models(own_folder: Path) -> Path:
    folder = own_folder / "models"
    put(folder, "loras/style/ink.safetensors", "vae/ae.SFT", "checkpoints/old.ckpt", "nodes.zip")
    return folder


def test_a_folder_is_walked_in_its_whole_depth(models: Path) -> None:
    expected = ["models/nodes.zip", "models/checkpoints/old.ckpt", "models/loras/style/ink.safetensors"]
    assert shown("models") == [*expected, "models/vae/ae.SFT"]
    assert shown(str(models)) == shown("models")


def test_the_folder_one_is_in_can_be_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models / "loras")
    assert shown(".") == ["loras/style/ink.safetensors"]
    monkeypatch.chdir(models / "loras" / "style")
    assert shown("..") == ["loras/style/ink.safetensors"]


def test_what_is_no_model_is_left_out_with_a_word(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(models, "readme.md", ".DS_Store", ".cache/x.safetensors", "loras/.hidden.safetensors")
    put(models, "loras/put_loras_here", "loras/broken.safetensors", content=b"")
    assert len(shown("models")) == 4
    told = capsys.readouterr().err
    assert "left out as neither models nor archives: 2 (readme.md, put_loras_here)" in told
    assert "left out as empty: 1 (broken.safetensors)" in told
    assert "hidden" not in told


def test_a_file_that_is_named_itself_is_taken_whatever_it_is(own_folder: Path) -> None:
    put(own_folder, "notes.txt", ".hidden.pt")
    assert shown("notes.txt", ".hidden.pt") == ["notes.txt", ".hidden.pt"]


@pytest.mark.usefixtures("models")
def test_a_pattern_takes_models(own_folder: Path) -> None:
    put(own_folder, "models/loras/style/a.txt")
    assert shown("models/loras/*/*") == ["ink.safetensors"]
    assert shown("models/**/*.ckpt") == ["old.ckpt"]


@pytest.mark.usefixtures("models")
def test_a_name_with_a_brackets_means_the_file_of_that_name(own_folder: Path) -> None:
    put(own_folder, "ink[v2].safetensors")
    assert shown("ink[v2].safetensors") == ["ink[v2].safetensors"]


@pytest.mark.usefixtures("models")
def test_each_file_is_taken_once() -> None:
    assert shown("models/vae/ae.SFT", "models/vae", "models/v*/*") == ["ae.SFT"]


def test_links_to_folders_are_followed_and_lead_round_no_circle(models: Path, own_folder: Path) -> None:
    put(own_folder, "disk/b.gguf")
    (models / "unet").symlink_to(own_folder / "disk")
    (models / "loras" / "round").symlink_to(models)
    assert "models/unet/b.gguf" in shown("models")
    assert len(shown("models")) == 5


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("loras/style/ink.safetensors", AssetKind.LORA),
        ("vae/ae.SFT", AssetKind.VAE),
        ("nodes.zip", None),
        ("loras/pack.zip", None),
        ("custom_nodes/impact/face.pth", None),
        ("new/thing.safetensors", None),
    ],
)
def test_a_folder_of_comfyui_tells_the_kind(models: Path, name: str, kind: AssetKind | None) -> None:
    put(models, name)
    (file,) = files_to_add([f"models/{name}"])
    assert file.kind is kind


@pytest.mark.parametrize("name", ["gone.safetensors", "*.safetensors", "empty.pt", "bare"])
def test_what_is_not_there_is_wrong_usage(own_folder: Path, name: str) -> None:
    put(own_folder, "empty.pt", content=b"")
    (own_folder / "bare").mkdir()
    with pytest.raises(UsageProblem):
        files_to_add([name])

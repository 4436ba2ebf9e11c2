"""Where everything lies on a machine."""

from pathlib import Path

from tests.unit.machine.building import entry

from comfyfleet.core.bundles import Action
from comfyfleet.machine.places import places_of


def test_the_store_lies_beside_the_root_unless_it_is_given(tmp_path: Path) -> None:
    assert places_of(tmp_path / "comfyui").store == tmp_path / "comfyui.content"
    assert places_of(tmp_path / "comfyui", tmp_path / "store").store == tmp_path / "store"
    assert places_of(Path("comfyui")).root == Path.cwd() / "comfyui"


def test_where_the_root_is_a_mount_the_store_lies_in_it() -> None:
    mount = Path("/proc")
    assert places_of(mount).store == mount / ".content"


def test_the_files_of_the_contract_lie_in_the_root(tmp_path: Path) -> None:
    places = places_of(tmp_path)
    assert places.active_bundle == tmp_path / ".active_bundle_id"
    assert places.listed_paths == tmp_path / ".installed_bundle_paths"


def test_the_same_archive_at_two_places_or_in_two_ways_is_two_trees(tmp_path: Path) -> None:
    places = places_of(tmp_path / "comfyui")
    trees = [
        entry("custom_nodes/a", b"x", action=Action.EXTRACT_ZIP),
        entry("custom_nodes/b", b"x", action=Action.EXTRACT_ZIP),
        entry("custom_nodes/a", b"x", action=Action.EXTRACT_TAR_GZ),
        entry("custom_nodes/a", b"y", action=Action.EXTRACT_ZIP),
    ]
    assert len({places.retired_of(tree) for tree in trees}) == 4
    assert len({places.staged_of(tree) for tree in trees}) == 4
    assert places.staged_of(trees[0]).name == "a"


def test_its_folders_are_made_once_and_again(tmp_path: Path) -> None:
    places = places_of(tmp_path / "deep" / "comfyui")
    places.make()
    places.make()
    for folder in (places.root, places.objects, places.partial, places.staged, places.retired, places.links):
        assert folder.is_dir()

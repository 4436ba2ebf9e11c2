"""What is installed is read again, and what differs is named."""

import os

import pytest
from tests.unit.machine.building import Machine, bundle, bundle_id

from comfyfleet.core.bundles import Manifest
from comfyfleet.machine.errors import NothingInstalled
from comfyfleet.machine.verify import Difference, Finding


def installed(machine: Machine) -> Manifest:
    manifest = bundle(
        1,
        machine.copy("models/vae/a", b"a"),
        machine.copy("models/vae/b", b"b"),
        machine.tree("custom_nodes/pack", {"p.py": b"1", "lib/q.py": b"2"}),
        machine.copy("custom_nodes/pack/weights.bin", b"w"),
    )
    machine.apply(manifest)
    return manifest


def test_an_unharmed_bundle_is_whole(machine: Machine) -> None:
    installed(machine)
    verification = machine.verify()
    assert (verification.bundle_id, verification.file_count, verification.findings) == (bundle_id(1), 5, ())
    assert verification.is_whole


def test_each_file_that_was_changed_lost_or_added_is_named(machine: Machine) -> None:
    installed(machine)
    machine.put("models/vae/a", b"z")
    (machine.root / "models/vae/b").unlink()
    machine.put("custom_nodes/pack/p.py", b"9")
    (machine.root / "custom_nodes/pack/lib/q.py").unlink()
    machine.put("custom_nodes/pack/lib/new.py", b"new")
    machine.put("custom_nodes/pack/__pycache__/p.cpython-311.pyc", b"cache")
    machine.put("models/vae/somebodys", b"own")
    verification = machine.verify()
    assert verification.findings == (
        Finding("custom_nodes/pack/lib/new.py", Difference.ADDED),
        Finding("custom_nodes/pack/lib/q.py", Difference.LOST),
        Finding("custom_nodes/pack/p.py", Difference.CHANGED),
        Finding("models/vae/a", Difference.CHANGED),
        Finding("models/vae/b", Difference.LOST),
    )
    assert not verification.is_whole


def test_added_files_alone_leave_a_bundle_whole(machine: Machine) -> None:
    installed(machine)
    machine.put("custom_nodes/pack/settings.json", b"{}")
    verification = machine.verify()
    assert [finding.difference for finding in verification.findings] == [Difference.ADDED]
    assert verification.is_whole


def test_a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_are_losses(machine: Machine) -> None:
    installed(machine)
    (machine.root / "models/vae/a").unlink()
    (machine.root / "models/vae/a").mkdir()
    (machine.root / "custom_nodes/pack/lib/q.py").unlink()
    (machine.root / "custom_nodes/pack/lib").rmdir()
    machine.put("custom_nodes/pack/lib", b"a file")
    lost = {finding.path for finding in machine.verify().findings if finding.difference is Difference.LOST}
    assert lost == {"models/vae/a", "custom_nodes/pack/lib/q.py"}


@pytest.mark.parametrize("path", ["models/vae/a", "custom_nodes/pack/p.py", "custom_nodes/pack/weights.bin"])
def test_a_change_that_does_not_show_is_put_right_by_the_next_apply_once_it_was_found(
    path: str, machine: Machine
) -> None:
    manifest = installed(machine)
    status = (machine.root / path).stat()
    machine.put(path, b"?")
    os.utime(machine.root / path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not machine.apply(manifest).is_changed, "size and time are as they should be"
    assert machine.verify().findings == (Finding(path, Difference.CHANGED),)
    assert machine.apply(manifest).is_changed
    assert machine.verify().findings == ()
    assert not machine.apply(manifest).is_changed


def test_a_damage_that_somebody_else_mended_is_forgotten(machine: Machine) -> None:
    manifest = installed(machine)
    machine.put("custom_nodes/pack/p.py", b"?")
    assert not machine.verify().is_whole
    machine.put("custom_nodes/pack/p.py", b"1")
    assert machine.verify().is_whole
    assert not machine.apply(manifest).is_changed


def test_nothing_to_verify_is_told(machine: Machine) -> None:
    with pytest.raises(NothingInstalled):
        machine.verify()
    installed(machine)
    machine.places.active_bundle.write_text("99999999-0d43-4cbb-8a35-5f3f6a3f1b11\n")
    with pytest.raises(NothingInstalled):
        machine.verify()

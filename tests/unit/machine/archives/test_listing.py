"""What is in an archive can be told without unpacking it."""

import io
import stat
import tracemalloc

import pytest
from tests.unit.machine.archives.building import Part, header, member, plain_tgz, plain_zip, tgz, zip_of

from comfyfleet.core.archives import ArchiveLimits, ListedFile, Reason, list_members
from comfyfleet.core.bundles import Action

ZIP, TAR = Action.EXTRACT_ZIP, Action.EXTRACT_TAR_GZ
FILES = {"Foo-main/__init__.py": b"x = 1", "Foo-main/requirements.txt": b"numpy", "Foo-main/web/a.js": b"a" * 9000}


@pytest.mark.parametrize(("action", "content"), [(ZIP, plain_zip(FILES)), (TAR, plain_tgz(FILES))])
def test_files_are_listed_with_their_sizes(action: Action, content: bytes) -> None:
    listing = list_members(io.BytesIO(content), action)
    assert {file.path: file.size for file in listing.files} == {name: len(text) for name, text in FILES.items()}
    assert listing.total_bytes == 9010
    assert listing.has_requirements
    assert listing.problem is None


def test_links_and_executables_are_listed_as_they_will_be() -> None:
    content = tgz(header("l", b"2", link="run.sh"), member("run.sh", b"abc", mode=0o755), header("d/", b"5"))
    listing = list_members(io.BytesIO(content), TAR)
    assert listing.files == (ListedFile("l", 3, is_executable=True), ListedFile("run.sh", 3, is_executable=True))


@pytest.mark.parametrize(
    ("name", "found"), [("requirements.txt", True), ("a/requirements.txt", True), ("a/b/requirements.txt", False)]
)
def test_requirements_count_where_a_node_has_them(name: str, found: bool) -> None:
    assert list_members(io.BytesIO(zip_of(Part(name))), ZIP).has_requirements is found


def test_what_stands_before_a_problem_is_listed() -> None:
    listing = list_members(io.BytesIO(tgz(member("a"), member("../up"), member("b"))), TAR)
    assert [file.path for file in listing.files] == ["a"]
    assert listing.problem is not None
    assert listing.problem.reason is Reason.PATH
    assert listing.problem.member == "../up"


def test_the_bytes_of_a_zip_are_not_read() -> None:
    class Watched(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1, /) -> bytes:
            content = super().read(size)
            self.given += len(content)
            return content

    file = Watched(zip_of(Part("a", bytes(5_000_000))))
    assert list_members(file, ZIP).total_bytes == 5_000_000
    assert file.given < 70_000


def test_a_zip_that_says_too_much_of_itself_is_a_problem() -> None:
    limits = ArchiveLimits(max_total_bytes=1000)
    listing = list_members(io.BytesIO(zip_of(Part("a", bytes(600)), Part("b", bytes(600)))), ZIP, limits=limits)
    assert listing.problem is not None
    assert listing.problem.reason is Reason.TOO_LARGE


def test_a_file_that_is_copied_is_no_archive() -> None:
    with pytest.raises(ValueError, match="not unpacked"):
        list_members(io.BytesIO(b""), Action.COPY)


def test_memory_is_bounded_by_the_number_of_names_not_by_their_depth() -> None:
    deep = "/".join("d" * 10 for _ in range(50))
    parts = [Part(f"{number:05}/{deep}/{'n' * 200}", b"", mode=stat.S_IFREG | 0o644) for number in range(1500)]
    content = zip_of(*parts)
    tracemalloc.start()
    try:
        listing = list_members(io.BytesIO(content), ZIP)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert listing.problem is not None
    assert listing.problem.reason is Reason.TOO_MANY
    assert peak < 48 * 2**20

"""Conventions that a reader relies on and that no other tool checks."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "src" / "comfyfleet"
SOURCES: Final = sorted(PACKAGE.rglob("*.py"))
SQL_HOMES: Final = re.compile(
    r"server/(models/|migrations/|db\.py|migrate\.py|wiring\.py|maintenance\.py|\w+/(\w+_)?repository\.py)"
)
HTTP_HOMES: Final = re.compile(
    r"server/(\w+/(\w+_)?routes\.py|app\.py|errors\.py|auth/dependencies\.py)|web/|asgi\.py|standin/"
)
FORBIDDEN_NAMES: Final = re.compile(r"(^|_)(utils?|helpers?|manager|misc|common)(_|$)")


def imports_of(path: Path) -> set[str]:
    """Return the top-level packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def relative(path: Path) -> str:
    """Return a source's path inside the package."""
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_repositories_and_models_build_sql(path: Path) -> None:
    builds_sql = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in {"sqlalchemy", "sqlalchemy.dialects.postgresql"}
        for name in (alias.name for alias in node.names)
    }
    assert SQL_HOMES.match(relative(path)) or not builds_sql


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_routes_and_pages_know_http_servers(path: Path) -> None:
    knows = {name for name in imports_of(path) if name.split(".")[0] in {"fastapi", "starlette"}}
    assert HTTP_HOMES.match(relative(path)) or not knows


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_settings_read_the_environment(path: Path) -> None:
    reads = re.findall(r"os\.(?:environ\.get|environ\[|getenv)", path.read_text())
    assert not reads


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_names_spells_external_paths_and_prefixes(path: Path) -> None:
    if relative(path) == "names.py":
        return
    spelled = re.findall(r"\"(?:/opt/comfyui|/opt/worker|/bp/|bp-models-|ComfyUI/Workers)", path.read_text())
    assert not spelled


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_names_say_what_a_module_is(path: Path) -> None:
    assert not FORBIDDEN_NAMES.search(path.stem)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_requirements_name_no_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "--index-url" not in text
        assert "--extra-index-url" not in text
        assert not re.search(r"https?://", text)

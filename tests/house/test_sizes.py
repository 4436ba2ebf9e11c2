"""Files and functions stay small; the list of exceptions may only shrink."""

import ast
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
MAX_FILE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 50
EXEMPT: Final = ("server/migrations/versions/", "infrastructure/cdk.out/", "infrastructure/node_modules/")
"""Migrations are records of what was done, not rooms that people live in; the others are written by the CDK."""

SOURCES: Final = sorted(
    path
    for folder in ("src", "tests", "benchmarks", "docs", "infrastructure")
    for path in (ROOT / folder).rglob("*.py")
    if not any(part in path.as_posix() for part in EXEMPT)
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_are_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    too_long = [
        f"{node.name}: {length} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_the_sources_were_found() -> None:
    assert len(SOURCES) > 100

"""No action of AWS is called that an emulator only pretends to do, unless a test says so: see `actions`."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from botocore import xform_name
from botocore.session import get_session
from tests.ports.actions import DONE_IN

ROOT: Final = Path(__file__).parents[2]
CALLERS: Final = (ROOT / "src/comfyfleet/cloud/aws", ROOT / "infrastructure/functions")
"""Where boto3 may be imported: `make lint` sees to the first, and nothing but the second runs on Lambda."""

SERVICES: Final = frozenset({"autoscaling", "cloudwatch", "ec2", "s3", "ssm", "sts"})


def nodes() -> Iterator[ast.AST]:
    for folder in CALLERS:
        for path in sorted(folder.rglob("*.py")):
            yield from ast.walk(ast.parse(path.read_text()))


def called() -> set[str]:
    """Return what the code calls: operations are attributes of clients, or names given to paginators and signers."""
    session = get_session()
    known: dict[str, set[str]] = {}
    for service in SERVICES:
        for operation in session.get_service_model(service).operation_names:
            known.setdefault(xform_name(operation), set()).add(f"{service}:{operation}")
    used = {node.attr for node in nodes() if isinstance(node, ast.Attribute)}
    used |= {node.value for node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    found = [known[name] for name in sorted(used & known.keys())]
    assert all(len(one) == 1 for one in found), f"which service is meant by each of {found}?"
    return set().union(*found)


def test_every_action_that_is_called_is_listed_with_the_test_that_truly_does_it() -> None:
    assert called() == DONE_IN.keys()


def test_clients_are_made_of_the_services_that_are_looked_through() -> None:
    made = {
        node.args[0].value
        for node in nodes()
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in {"client", "make_client"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert made == SERVICES


@pytest.mark.parametrize("name", sorted(set(DONE_IN.values())))
def test_a_test_that_is_listed_is_there_and_runs_where_it_is_said_to(name: str) -> None:
    path, _, called_so = name.partition("::")
    function_name, _, turn = called_so.rstrip("]").partition("[")
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    function: Any = getattr(module, function_name)
    if "/cloud/" in path:
        clouds = [mark.args[1] for mark in function.pytestmark if mark.args[:1] == ("site",)]
        assert turn.split("-")[0] in clouds[0]

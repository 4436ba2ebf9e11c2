"""How a node is declared: its inputs and outputs as `/object_info` shows them, and the function that runs it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from comfyfleet.core.graphs import Graph
from comfyfleet.standin.folders import Folders
from comfyfleet.standin.values import Frames, Pixels

Choices: TypeAlias = Callable[[Folders], Sequence[str]]


class Interrupted(Exception):
    """The prompt was interrupted while a node ran."""


@dataclass(frozen=True)
class Input:
    """One input of a node.

    Attributes:
        kind: The type, such as `INT` or `IMAGE`; `COMBO` for a choice.
        options: What `/object_info` says beside the type: default, min, max, tooltip.
        choices: What a choice can be; asked each time, as files come and go.
        is_classic: Whether a choice is shown in the old form, `[[...], {}]`, and not as `["COMBO", {...}]`.
        file: Names the input's file kind (`image`, `video`) if the value names a file of the input folder. Such a
            value need not be among the choices, but the file must exist, and a changed file makes the cache stale.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_required: bool = True
    choices: Choices | None = None
    is_classic: bool = False
    file: str = ""

    def config(self, folders: Folders) -> tuple[Any, dict[str, Any]]:
        """Return type and options as the API shows them."""
        if self.choices is None:
            return self.kind, dict(self.options)
        choices = list(self.choices(folders))
        if self.is_classic:
            return choices, dict(self.options)
        return self.kind, {"multiselect": False, "options": choices, **self.options}


def choice(name: str, *choices: str, is_required: bool = True, **options: Any) -> Input:
    """Declare a choice in the present form."""
    return Input(name, "COMBO", options, is_required=is_required, choices=lambda _: choices)


def classic_choice(name: str, choices: Choices, *, file: str = "", **options: Any) -> Input:
    """Declare a choice in the old form."""
    return Input(name, "COMBO", options, choices=choices, is_classic=True, file=file)


@dataclass(frozen=True)
class Result:
    """What a node gives: a value per output, and for an output node what history shows."""

    values: tuple[object, ...] = ()
    ui: dict[str, list[Any]] | None = None


@dataclass(frozen=True)
class Context:
    """What a running node may use beside its inputs.

    Attributes:
        graph: The prompt, which ComfyUI writes into the files that it saves.
        pnginfo: The client's `extra_pnginfo`, likewise.
        is_interrupted: Whether the client wants an end.
        report: Takes progress: how many of how many.
    """

    folders: Folders
    graph: Graph
    pnginfo: Mapping[str, Any]
    is_interrupted: Callable[[], bool]
    report: Callable[[int, int], None]

    def check(self) -> None:
        """Look whether the prompt was interrupted.

        Raises:
            Interrupted: It was.
        """
        if self.is_interrupted():
            raise Interrupted

    def each(self, frames: Frames) -> Iterator[Pixels]:
        """Read frames one by one, reporting progress and heeding an interrupt at each."""
        for index, frame in enumerate(frames, start=1):
            self.check()
            yield frame
            if frames.count > 1:
                self.report(min(index, frames.count), frames.count)


@dataclass(frozen=True)
class Node:
    """One class of node.

    Attributes:
        outputs: The types of what it gives.
        run: Called as `run(context, **inputs)`, a dot in an input's name being an underscore; None if the class is
            known, so that its prompts are validated as ComfyUI does, but cannot be run without a model.
        is_output: Whether a prompt can end in it.
    """

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    run: Callable[..., Result] | None = None
    is_output: bool = False
    title: str = ""
    category: str = "image"
    description: str = ""
    output_names: tuple[str, ...] = ()

    def info(self, folders: Folders) -> dict[str, Any]:
        """Return the entry of `/object_info`."""
        required = {one.name: one.config(folders) for one in self.inputs if one.is_required}
        optional = {one.name: one.config(folders) for one in self.inputs if not one.is_required}
        return {
            "input": {"required": required, "optional": optional} if optional else {"required": required},
            "input_order": {"required": list(required), "optional": list(optional)}
            if optional
            else {"required": list(required)},
            "is_input_list": False,
            "output": list(self.outputs),
            "output_is_list": [False] * len(self.outputs),
            "output_name": list(self.output_names or self.outputs),
            "name": self.name,
            "display_name": self.title or self.name,
            "description": self.description,
            "python_module": "comfyfleet.standin",
            "category": self.category,
            "output_node": self.is_output,
            "search_aliases": [],
        }

    def links(self, inputs: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
        """Return which of these inputs are links: source node and slot by name. What is not declared is no link."""
        given = ((one.name, inputs.get(one.name)) for one in self.inputs)
        return {name: (value[0], value[1]) for name, value in given if isinstance(value, list)}

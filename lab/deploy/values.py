"""The values that a template leaves open, filled in.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lab.errors import NotSimulated

_DYNAMIC: Final = re.compile(r"\{\{resolve:ssm:([^:}]+)\}\}")
_PLACE: Final = re.compile(r"\$\{(!?)([^}]+)\}")


class ValueUnknown(LookupError):
    """A template needs a value of something that the lab did not make and was not given."""


@dataclass
class Values:
    """What is known of a stack: `references` by logical id, `attributes` by logical id and name, `exports` by name.

    `given` are values for what the lab leaves out: attributes as `LogicalId.Name`, exports by their names.
    """

    pseudo: Mapping[str, str]
    read_parameter: Callable[[str], str]
    exports: dict[str, Any]
    given: Mapping[str, str]
    references: dict[str, Any] = field(default_factory=dict)
    attributes: dict[tuple[str, str], Any] = field(default_factory=dict)

    def fill(self, value: Any) -> Any:
        """Return a value of a template with every function in it computed.

        Raises:
            ValueUnknown: It refers to what is not there.
            NotSimulated: A function is not known.
        """
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if isinstance(value, str):
            return _DYNAMIC.sub(lambda found: self.read_parameter(found[1]), value)
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument)
        return {name: self.fill(one) for name, one in value.items()}

    def _call(self, name: str, argument: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._reference,
            "Fn::GetAtt": lambda one: self._attribute(*(one.split(".", 1) if isinstance(one, str) else one)),
            "Fn::ImportValue": lambda one: self._known(self.exports, self.fill(one), self.fill(one)),
            "Fn::Join": lambda one: one[0].join(str(part) for part in self.fill(one[1])),
            "Fn::Select": lambda one: self.fill(one[1])[int(one[0])],
            "Fn::Split": lambda one: self.fill(one[1]).split(one[0]),
            "Fn::Base64": lambda one: base64.b64encode(self.fill(one).encode()).decode(),
            "Fn::Sub": self._substituted,
            "Fn::GetAZs": lambda _: [f"{self.pseudo['AWS::Region']}{letter}" for letter in "abc"],
        }
        if name not in functions:
            raise NotSimulated(f"the template function {name}")
        return functions[name](argument)

    def _substituted(self, argument: Any) -> str:
        text, more = argument if isinstance(argument, list) else (argument, {})
        return _PLACE.sub(lambda found: self._place(found, self.fill(more)), text)

    def _place(self, found: re.Match[str], more: Mapping[str, Any]) -> str:
        if found[1]:
            return "${" + found[2] + "}"
        if found[2] in more:
            return str(more[found[2]])
        logical, _, attribute = found[2].partition(".")
        return str(self._attribute(logical, attribute) if attribute else self._reference(logical))

    def _reference(self, name: str) -> Any:
        return self.pseudo[name] if name in self.pseudo else self._known(self.references, name, name)

    def _attribute(self, logical: str, name: str) -> Any:
        return self._known(self.attributes, (logical, name), f"{logical}.{name}")

    def _known(self, values: Mapping[Any, Any], key: Any, label: str) -> Any:
        if key in values:
            return values[key]
        if label in self.given:
            return self.given[label]
        raise ValueUnknown(label)

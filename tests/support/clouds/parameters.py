"""Parameters."""

from dataclasses import dataclass, field

from tests.support.clouds.machines import Clock, MemoryImages

from comfyfleet.cloud.fleet_ports import Parameter, ParameterKind
from comfyfleet.core.parameters import ParameterInvalid, check_parameter


@dataclass
class MemoryParameters:
    clock: Clock
    images: MemoryImages
    _all: dict[str, Parameter] = field(default_factory=dict)
    kinds: dict[str, ParameterKind] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> Parameter | None:
        return self._all.get(name)

    def below(self, prefix: str) -> list[Parameter]:
        start = prefix.rstrip("/") + "/"
        return [one for name, one in sorted(self._all.items()) if name.startswith(start)]

    def put(self, name: str, value: str, *, kind: ParameterKind = ParameterKind.TEXT) -> None:
        check_parameter(name, value)
        if kind is ParameterKind.IMAGE and self.images.find(value) is None:
            raise ParameterInvalid(f"There is no image {value}.")
        before = self._all.get(name)
        self.kinds.setdefault(name, kind)
        self.writes.append((name, value))
        self._all[name] = Parameter(name, value, before.version + 1 if before else 1, self.clock.now())

    def delete(self, name: str) -> None:
        self._all.pop(name, None)

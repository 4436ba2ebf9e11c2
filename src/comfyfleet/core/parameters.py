"""What a parameter's name and value may be, wherever it is kept."""

import re
from typing import Final

from comfyfleet.core.errors import Invalid

_NAME: Final = re.compile(r"(/[A-Za-z0-9_.-]+){1,15}")
_MAX_NAME: Final = 1011
_MAX_BYTES: Final = 4096
"""Limits of a standard parameter: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html"""


class ParameterInvalid(Invalid):
    """A parameter's name or value is none."""

    code = "parameter_invalid"


def check_parameter(name: str, value: str) -> None:
    """Check a parameter before it is written.

    Raises:
        ParameterInvalid: The name is no path of letters, digits, `_`, `.` and `-`, or the value is empty or too long.
    """
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise ParameterInvalid(
            f"'{name[:100]}' is no name of a parameter.", hint="Write it as a path, such as /bp/staging/models/bucket."
        )
    if not 0 < len(value.encode()) <= _MAX_BYTES:
        raise ParameterInvalid(f"The value of '{name}' is empty or too long.", hint="Use 1 to 4096 bytes.")

"""How a call of the control plane fails."""

from comfyfleet.core.errors import Unavailable


class Refused(Exception):
    """The server refused; `code`, `message` and `hint` are its own words, `status` is the HTTP status.

    It is not a `FleetError`, whose code belongs to the class: here it comes from the other side.
    """

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint


class Unreachable(Unavailable):
    """The server does not answer, or something else answers in its place."""

    code = "unreachable"

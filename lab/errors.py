"""What the lab refuses, as AWS's clients understand it."""


class ApiError(Exception):
    """A refusal in AWS's words: `code` is what clients look at."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotSimulated(ApiError):
    """An action, or a part of one, that neither the simulator nor an emulator does truly."""

    def __init__(self, what: str) -> None:
        super().__init__("NotSimulated", f"The lab does not do {what}: docs/concepts/lab.md says what it does.")

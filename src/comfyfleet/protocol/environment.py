"""What is wrong with a program's environment, in words."""

from pydantic import ValidationError


def problems_of(error: ValidationError) -> str:
    """Name each variable that is missing or wrong and say why, never with its value, which may be a secret."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )

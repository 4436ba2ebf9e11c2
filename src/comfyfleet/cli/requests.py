"""Makes the wire models from what was typed."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from comfyfleet.cli.errors import UsageProblem

Model = TypeVar("Model", bound=BaseModel)


def make(model: type[Model], **fields: object) -> Model:
    """Return a request; raise `UsageProblem` that names the first field that is wrong."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageProblem(f"{where}: {first['msg']}.", hint="Correct it and try again.") from error

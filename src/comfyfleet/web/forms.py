"""From what a form sent to what a service takes."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from comfyfleet.core.errors import Invalid

Model = TypeVar("Model", bound=BaseModel)


class FormInvalid(Invalid):
    """A field of a form is not valid."""

    code = "form_invalid"


def validated(model: type[Model], **values: object) -> Model:
    """Return the values as a request of the API; raise `FormInvalid` with the first thing that is wrong."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]).replace("_", " ")
        raise FormInvalid(
            f"{field.capitalize()}: {first['msg']}.", hint="Correct it and send the form again."
        ) from None

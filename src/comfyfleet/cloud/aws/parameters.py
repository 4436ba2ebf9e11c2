"""Parameters in Systems Manager."""

import time
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.errors import code_of, service_errors
from comfyfleet.cloud.fleet_ports import Parameter, ParameterKind
from comfyfleet.core.parameters import ParameterInvalid, check_parameter

_TYPES: Final = {ParameterKind.TEXT: "String", ParameterKind.SECRET: "SecureString", ParameterKind.IMAGE: "String"}
_IMAGE: Final = "aws:ec2:image"
_INVALID: Final = frozenset({"ParameterPatternMismatchException", "ValidationException"})
_IMAGE_LOOKS: Final = 20


class SsmParameters:
    """The parameters of an account in a region; see `ParameterStore`."""

    def __init__(self, client: Any = None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._ssm = client or make_client("ssm")
        self._sleep = sleep

    def get(self, name: str) -> Parameter | None:
        """Return a parameter, or None."""
        with service_errors(f"Reading the parameter '{name}'"):
            try:
                answer = self._ssm.get_parameter(Name=name, WithDecryption=True)
            except ClientError as error:
                if code_of(error) == "ParameterNotFound":
                    return None
                raise
        return _parameter(answer["Parameter"])

    def below(self, prefix: str) -> list[Parameter]:
        """Return the parameters below a path."""
        with service_errors(f"Reading the parameters below '{prefix}'"):
            pages = self._ssm.get_paginator("get_parameters_by_path")
            found = pages.paginate(Path=prefix, Recursive=True, WithDecryption=True)
            return sorted((_parameter(one) for page in found for one in page["Parameters"]), key=lambda one: one.name)

    def put(self, name: str, value: str, *, kind: ParameterKind = ParameterKind.TEXT) -> None:
        """Write a parameter; one of an image is looked at until it is there, for AWS checks it after the answer."""
        check_parameter(name, value)
        data_type = {"DataType": _IMAGE} if kind is ParameterKind.IMAGE else {}
        with service_errors(f"Writing the parameter '{name}'"):
            try:
                self._write(name, value, _TYPES[kind], data_type)
            except ClientError as error:
                if code_of(error) in _INVALID:
                    raise ParameterInvalid(
                        f"'{name}' cannot be written: {error}", hint="Check its name and value."
                    ) from error
                raise
        if kind is ParameterKind.IMAGE:
            self._await_image(name, value)

    def delete(self, name: str) -> None:
        """Remove a parameter."""
        with service_errors(f"Removing the parameter '{name}'"):
            try:
                self._ssm.delete_parameter(Name=name)
            except ClientError as error:
                if code_of(error) != "ParameterNotFound":
                    raise

    def _write(self, name: str, value: str, wanted: str, data_type: dict[str, str]) -> None:
        try:
            self._ssm.put_parameter(Name=name, Value=value, Type=wanted, **data_type)
        except ClientError as error:
            if code_of(error) != "ParameterAlreadyExists":
                raise
            self._ssm.put_parameter(Name=name, Value=value, Overwrite=True, **data_type)  # without a type: it stays

    def _await_image(self, name: str, value: str) -> None:
        """See https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html."""
        for _ in range(_IMAGE_LOOKS):
            found = self.get(name)
            if found is not None and found.value == value:
                return
            self._sleep(1.0)
        raise ParameterInvalid(
            f"'{name}' did not become '{value}': AWS found no such image.", hint="Check that the image is available."
        )


def _parameter(found: dict[str, Any]) -> Parameter:
    return Parameter(
        name=found["Name"], value=found["Value"], version=found["Version"], modified_at=found["LastModifiedDate"]
    )

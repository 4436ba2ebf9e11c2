"""AWS's wire formats, by botocore's service models: moto's parsers and serialisers, used as a library."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

from botocore.session import get_session
from moto.core.model import ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class

from lab.errors import ApiError, NotSimulated

_SCOPE: Final = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")
_SERVICES: Final = {"monitoring": "cloudwatch"}
_SPOKEN: Final = ("json", "query", "ec2")


@dataclass(frozen=True)
class Call:
    """One request: which action of which service, and its parameters as boto3 names them."""

    service: str
    action: str
    parameters: dict[str, Any]


def service_of(authorization: str) -> str:
    """Return the service that a request was signed for, as boto3 calls it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
    """
    found = _SCOPE.search(authorization)
    if found is None:
        raise ApiError("MissingAuthenticationToken", "Sign the request with any key: its scope names the service.")
    return _SERVICES.get(found[1], found[1])


def read_call(service: str, headers: dict[str, str], body: bytes) -> Call:
    """Parse a request of the protocols query, ec2 and json."""
    if headers.get("smithy-protocol"):
        raise NotSimulated(f"the protocol {headers['smithy-protocol']}")
    target = headers.get("x-amz-target", "")
    values = {} if target else dict(parse_qsl(body.decode(), keep_blank_values=True))
    action = target.rpartition(".")[2] if target else values.get("Action", "")
    model = _model(service)
    if action not in model.operation_names:
        raise ApiError("InvalidAction", f"{service} has no action '{action}'.")
    request: Any = {
        "body": body,
        "headers": headers,
        "method": "POST",
        "url_path": "/",
        "url_params": {},
        "values": values,
    }
    parser = PROTOCOL_PARSERS[_protocol(model, is_json=bool(target))]
    return Call(service, action, parser(model.operation_model(action)).parse(request) or {})


def write_answer(call: Call, result: Any, *, is_json: bool) -> tuple[int, dict[str, str], bytes]:
    """Serialise a result, or an `ApiError`, as status, headers and body."""
    model = _model(call.service)
    serializer = get_serializer_class(call.service, _protocol(model, is_json=is_json))
    answer = serializer(model.operation_model(call.action)).serialize(result)
    body = answer["body"]
    return answer["status_code"], dict(answer["headers"]), body.encode() if isinstance(body, str) else body


def _protocol(model: Any, *, is_json: bool) -> str:
    spoken = [one for one in model.metadata.get("protocols", [model.protocol]) if one in _SPOKEN]
    fit = [one for one in spoken if (one == "json") == is_json]
    if not fit:
        raise NotSimulated(f"the protocol of {model.service_name}")
    return str(fit[0])


@cache
def _model(service: str) -> Any:
    loader = get_session().get_component("data_loader")
    return ServiceModel(loader.load_service_model(service, "service-2"), service)

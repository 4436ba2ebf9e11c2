"""The lab's one HTTP server: each simulated action is answered by us, the rest goes to moto or is refused."""

import http.client
import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError

from lab.errors import ApiError, NotSimulated
from lab.wire import read_call, service_of, write_answer

LOGGER: Final = logging.getLogger("lab")
Action = Callable[[dict[str, Any]], dict[str, Any]]
Answer = tuple[int, dict[str, str], bytes]

EMULATED: Final = frozenset({"ec2", "ssm", "sts", "iam", "s3", "sns"})
"""Services whose further actions moto keeps records for; other services are ours alone."""

PRETENDED: Final = frozenset(
    {"ec2:RequestSpotFleet", "ec2:CreateFleet", "ec2:RequestSpotInstances", "ec2:SendDiagnosticInterrupt"}
    | {f"ssm:{name}" for name in ("StartAutomationExecution", "StartSession", "CreateAssociation")}
)
"""Actions that moto answers and that do nothing there."""


class Front:
    """Answers at `url` until it is stopped."""

    def __init__(self, actions: Mapping[str, Action], emulator_url: str) -> None:
        self._actions = actions
        self._emulator = urlsplit(emulator_url).netloc
        self._server = serve(self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(QuietHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send(*front.respond(self.command, self.path, dict(self.headers.items()), body))

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815 - names of http.server

        return Handler

    def respond(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer one request."""
        lower = {name.lower(): value for name, value in headers.items()}
        try:
            service = service_of(lower.get("authorization", ""))
            if service == "s3":
                return self._forward(method, path, headers, body)
            call = read_call(service, lower, body)
        except ApiError as error:
            return _refusal(error, is_json="x-amz-target" in lower)
        is_json = "x-amz-target" in lower
        name = f"{call.service}:{call.action}"
        try:
            if name in self._actions:
                return write_answer(call, self._actions[name](call.parameters), is_json=is_json)
            if service in EMULATED and name not in PRETENDED:
                return self._forward(method, path, headers, body)
            refused: ApiError = NotSimulated(name)
        except ApiError as error:
            refused = error
        except ClientError as error:
            refused = ApiError(error.response["Error"]["Code"], error.response["Error"]["Message"])
        except Exception as error:
            LOGGER.exception("The lab failed at %s", name)
            refused = ApiError("InternalFailure", f"{name}: {error}")
        return _refusal(refused, is_json=is_json)

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._emulator, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return answer.status, kept, answer.read()
        finally:
            connection.close()


class QuietHandler(BaseHTTPRequestHandler):
    """Writes whole answers, and no log."""

    protocol_version = "HTTP/1.1"

    def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Write an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has in http.server
        """Say nothing."""


def serve(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Serve on a free port of this machine, in a thread."""
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    """Says nothing of clients that go away, such as those of a machine that ends."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let an error of ours be seen."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


_HOP: Final = frozenset({"content-length", "connection", "transfer-encoding", "server", "date"})


def _refusal(error: ApiError, *, is_json: bool) -> Answer:
    if is_json:
        body = json.dumps({"__type": error.code, "message": error.message, "Message": error.message})
        return 400, {"Content-Type": "application/x-amz-json-1.1"}, body.encode()
    words = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    # clients of the query protocol look for ErrorResponse/Error, those of EC2 for Response/Errors/Error
    body = f"<ErrorResponse><Error>{words}</Error><Errors><Error>{words}</Error></Errors></ErrorResponse>"
    return 400, {"Content-Type": "text/xml"}, body.encode()

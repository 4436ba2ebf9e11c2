"""JSON as ComfyUI writes it, in answers and in events."""

import json
from typing import Any

from starlette.responses import JSONResponse


def dumps(content: Any) -> str:
    """Return JSON in plain ASCII.

    What a client posted is shown again to all, so nothing that was taken may be beyond writing: half of an emoji, which
    UTF-8 does not know, is escaped, and a number that is none is written as `NaN`. ComfyUI does both.
    """
    return json.dumps(content)


class Json(JSONResponse):
    """An answer of any JSON that was once read."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return dumps(content).encode("ascii")

"""Templates, and what every page shows."""

from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates

from comfyfleet.web.visitors import next_after_sign_in

_TEMPLATES: Final = Jinja2Templates(directory=Path(__file__).parent / "templates")
_TEMPLATES.env.globals["next_after_sign_in"] = next_after_sign_in


def render(request: Request, template: str, context: dict[str, Any], *, status_code: int = 200) -> Response:
    """Render a page; autoescaping is on for every template."""
    context = {"visitor": None, "balance": None, **context}
    headers = {"Cache-Control": "no-store"}
    return _TEMPLATES.TemplateResponse(request, template, context, status_code=status_code, headers=headers)

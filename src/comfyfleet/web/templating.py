"""Templates, and what every page shows."""

from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates

_TEMPLATES: Final = Jinja2Templates(directory=Path(__file__).parent / "templates")


def render(request: Request, template: str, context: dict[str, Any], *, status_code: int = 200) -> Response:
    """Render a page; autoescaping is on for every template."""
    context = {"visitor": None, "balance": None, **context}
    headers = {"Cache-Control": "no-store"}
    return _TEMPLATES.TemplateResponse(request, template, context, status_code=status_code, headers=headers)

"""Templates, and what every page shows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates
from jinja2 import StrictUndefined

from comfyfleet.core.wording import ago_text, count_text, number_text, size_text, span_text
from comfyfleet.core.workers import gpu_name
from comfyfleet.web.notices import NOTICE_COOKIE, notice_of
from comfyfleet.web.static_files import static
from comfyfleet.web.visitors import next_after_sign_in

_TEMPLATES: Final = Jinja2Templates(directory=Path(__file__).parent / "templates")
_TEMPLATES.env.undefined = StrictUndefined
_TEMPLATES.env.trim_blocks = _TEMPLATES.env.lstrip_blocks = True

THEME_COOKIE: Final = "theme"
_THEMES: Final = ("light", "dark")


def render(request: Request, template: str, context: dict[str, Any], *, status_code: int = 200) -> Response:
    """Render a page; autoescaping is on for every template, and a name that is not there is an error."""
    theme = request.cookies.get(THEME_COOKIE)
    notice = notice_of(request)
    shared = {
        "visitor": None,
        "balance": None,
        "error": None,
        "notice": notice,
        "theme": theme if theme in _THEMES else None,
        "now": datetime.now(UTC),
    }
    headers = {"Cache-Control": "no-store"}
    response = _TEMPLATES.TemplateResponse(
        request, template, shared | context, status_code=status_code, headers=headers
    )
    if notice is not None:
        response.delete_cookie(NOTICE_COOKIE)
    return response


def address(request: Request, **changed: object) -> str:
    """Return the address of the page that is shown, with other parameters; None and "" leave one out."""
    query: dict[str, object] = {**request.query_params, **changed}
    kept = {name: value for name, value in query.items() if value not in (None, "", False)}
    return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path


def clean(text: str) -> str:
    """Return a text without NUL, which Postgres cannot even compare with."""
    return text.replace("\x00", "")


def zipped(values: list[str]) -> list[tuple[str, str]]:
    """Return the options of a select whose values are their own texts."""
    return [(value, value) for value in values]


def moment(at: datetime | None) -> str:
    """Return a time for people."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "never"


_TEMPLATES.env.globals |= {
    "next_after_sign_in": next_after_sign_in,
    "static": static,
    "address": address,
    "zipped": zipped,
}
_TEMPLATES.env.filters |= {
    "size": size_text,
    "span": span_text,
    "ago": ago_text,
    "count": count_text,
    "gpu": gpu_name,
    "number": number_text,
    "moment": moment,
}

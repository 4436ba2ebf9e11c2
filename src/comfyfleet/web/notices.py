"""A sentence that the next page shows: what an act has done."""

from typing import Final
from urllib.parse import quote, unquote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

NOTICE_COOKIE: Final = "notice"
_LASTS_SECONDS: Final = 60
_MAX_LENGTH: Final = 500


def is_by_script(request: Request) -> bool:
    """Tell whether a script of a page asks, rather than the browser for a page."""
    return "hx-request" in request.headers


def done(request: Request, target: str, words: str) -> Response:
    """Lead on to a page of ours that tells what was done. `target` is a path."""
    response = (
        Response(status_code=204, headers={"HX-Redirect": target})
        if is_by_script(request)
        else RedirectResponse(target, status_code=303)
    )
    value = quote(words[:_MAX_LENGTH], safe=" ").replace(" ", "+")
    response.set_cookie(NOTICE_COOKIE, value, max_age=_LASTS_SECONDS, httponly=True, samesite="strict")
    return response


def notice_of(request: Request) -> str | None:
    """Return the sentence that came with a request for a whole page, which the answer then forgets.

    A page that renews a part of itself meanwhile shows no notices, and must not take one from the next page.
    """
    if is_by_script(request):
        return None
    value = request.cookies.get(NOTICE_COOKIE)
    return unquote(value.replace("+", " "))[:_MAX_LENGTH] if value else None

"""How every admin page is shown."""

from typing import Any

from fastapi import Request, Response

from comfyfleet.server.auth.principal import Principal
from comfyfleet.web.menu import MENU
from comfyfleet.web.templating import render


def render_admin(
    request: Request, person: Principal, template: str, context: dict[str, Any], *, status_code: int = 200
) -> Response:
    """Render a template below `admin/` for a viewer or an operator; `can_operate` tells which acts to offer."""
    shared = {"visitor": person, "menu": MENU, "can_operate": person.role.can_operate}
    return render(request, f"admin/{template}", shared | context, status_code=status_code)

"""`/`: a page that says what this is."""

from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from comfyfleet.standin.services import services_of
from comfyfleet.standin.settings import NOTICE, VERSION

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{notice}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }}
  code {{ background: #8882; padding: 0 .25em }}
</style>
<h1>This is not ComfyUI</h1>
<p>It is the stand-in of comfyfleet ({version}). It speaks ComfyUI's HTTP and WebSocket API, so that everything around a
ComfyUI can be tried on a machine without a GPU, and it runs the nodes that need no model. It has no user interface.</p>
<p>{remaining} prompts run or wait.</p>
<p>It runs {runs}.</p>
<p>It knows but cannot run {knows}.</p>
<p>To use a real ComfyUI, name it in <code>COMFYUI_URL</code>, or run <code>comfyfleet comfyui install</code>.</p>
</html>
"""


async def show(request: Request) -> HTMLResponse:
    """Say what this is, what it can run, and how to get the real one."""
    services = services_of(request)
    nodes = services.catalogue.values()
    return HTMLResponse(
        _PAGE.format(
            notice=escape(NOTICE),
            version=escape(VERSION),
            remaining=services.state.remaining(),
            runs=", ".join(f"<code>{escape(node.name)}</code>" for node in nodes if node.run),
            knows=", ".join(f"<code>{escape(node.name)}</code>" for node in nodes if not node.run),
        )
    )


ROUTES: Final = [Route("/", show, methods=["GET"])]

"""The ComfyUI of the machines: the stand-in, and one node more, which waits until a test opens the gate that it names.

A job lasts as long as a test wants, takes no processor meanwhile, and is in the middle of its render.
"""

import os
import time
from pathlib import Path
from typing import Final

from comfyfleet.standin.__main__ import main
from comfyfleet.standin.nodes import CATALOGUE
from comfyfleet.standin.nodes.spec import Context, Input, Node, Result

GATES: Final = "GATES"
"""The variable that names the folder in which a gate that is open is a file."""

NODE: Final = "WaitForGate"
_TURN_SECONDS: Final = 0.1


def wait(context: Context, *, image: object, gate: str) -> Result:
    """Give the image when the gate is open."""
    path = Path(os.environ[GATES]) / gate
    while not path.exists():
        context.check()
        time.sleep(_TURN_SECONDS)
    return Result((image,))


CATALOGUE[NODE] = Node(NODE, (Input("image", "IMAGE"), Input("gate", "STRING", {"default": ""})), ("IMAGE",), wait)

if __name__ == "__main__":
    main()

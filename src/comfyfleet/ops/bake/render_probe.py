"""Renders one picture with the ComfyUI of this machine; needs Python's own library only, for it runs on any machine.

Prints a line of JSON: ComfyUI's version, and the file that it wrote. Ends with 1 and a sentence when it cannot.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "bake-probe"}},
}
"""A graph that needs no model."""


def call(url: str, body: Any = None) -> Any:
    """Return the JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - our own machine
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def main(url: str, patience_seconds: float) -> None:
    """Queue the graph and wait until it is rendered."""
    version = call(f"{url}/system_stats")["system"].get("comfyui_version", "unknown")
    prompt_id = call(f"{url}/prompt", {"prompt": GRAPH})["prompt_id"]
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        entry = call(f"{url}/history/{prompt_id}").get(prompt_id)
        if entry and entry.get("status", {}).get("status_str") == "error":
            sys.exit(f"ComfyUI failed to render: {json.dumps(entry['status'].get('messages'))[:500]}")
        if entry and entry.get("outputs"):
            files = [file["filename"] for node in entry["outputs"].values() for file in node.get("images", [])]
            if files:
                print(json.dumps({"comfyui_version": version, "file": files[0]}))
                return
            sys.exit("ComfyUI ended without a picture.")
        time.sleep(0.5)
    sys.exit(f"ComfyUI did not render in {patience_seconds:.0f} s.")


if __name__ == "__main__":
    try:
        main(sys.argv[1].rstrip("/"), float(sys.argv[2]) if len(sys.argv) > 2 else 120)
    except urllib.error.HTTPError as error:
        sys.exit(f"ComfyUI refused: {error.code} {error.read()[:500].decode(errors='replace')}")
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"ComfyUI does not answer as it should: {error!r}")

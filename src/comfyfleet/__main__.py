"""`python -m comfyfleet` is the command `comfyfleet`."""

from comfyfleet.cli.main import app

app(prog_name="comfyfleet")

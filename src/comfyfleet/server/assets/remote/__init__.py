"""A file at a URL: found, checked and read, without a way into networks that are not ours to show."""

from comfyfleet.server.assets.remote.guard import Guard
from comfyfleet.server.assets.remote.opening import Patience, RemoteFile, open_remote
from comfyfleet.server.assets.remote.tokens import tokens_for

__all__ = ["Guard", "Patience", "RemoteFile", "open_remote", "tokens_for"]

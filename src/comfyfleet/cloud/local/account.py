"""Who we are where there is no cloud."""

import getpass
import platform
from typing import Final

from comfyfleet.cloud.fleet_ports import Identity

_ACCOUNT: Final = "000000000000"


class LocalAccount:
    """This machine's user, in the place of an account; see `Account`."""

    def identity(self) -> Identity:
        """Return this machine's user."""
        return Identity(account=_ACCOUNT, region="local", arn=f"local:{platform.node()}:{getpass.getuser()}")

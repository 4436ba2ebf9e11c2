"""What can be wrong with a URL, or with what it gives. Only `RemoteUnavailable` is worth another try later."""

from comfyfleet.core.errors import Conflict, Invalid, Unavailable


class RemoteUrlRefused(Invalid):
    """We do not read such a URL."""

    code = "remote_url_refused"


class RemoteAddressRefused(Invalid):
    """The host is in a network that we do not read from."""

    code = "remote_address_refused"


class RemoteRefused(Invalid):
    """The host does not give us the file."""

    code = "remote_refused"


class RemoteNotAFile(Invalid):
    """The host gave a page, or nothing, where a file was expected."""

    code = "remote_not_a_file"


class RemoteTooLarge(Invalid):
    """The file is larger than imports may be."""

    code = "remote_too_large"


class RemoteWrongLength(Invalid):
    """The host does not give, or does not say, the number of bytes that the file has."""

    code = "remote_wrong_length"


class RemoteChanged(Conflict):
    """The file is another one than when the reading began."""

    code = "remote_changed"


class RemoteUnavailable(Unavailable):
    """The host cannot be reached, or broke off several times."""

    code = "remote_unavailable"

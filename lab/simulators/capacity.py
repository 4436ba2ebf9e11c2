"""What cannot be had for a while: types of machines, or spot machines as such.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html#troubleshooting-launch-capacity
"""

import contextlib
from collections.abc import Iterator
from typing import Final

from lab.errors import ApiError

LACKING: Final = "InsufficientInstanceCapacity"
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""


class Capacity:
    """Has everything but what `without` took away: of some types or of all, of spot machines or of all."""

    def __init__(self) -> None:
        self._lacks: list[tuple[frozenset[str], bool]] = []

    @contextlib.contextmanager
    def without(self, types: frozenset[str], *, only_spot: bool) -> Iterator[None]:
        """Have no machine of these types, or, of none, of any; with `only_spot` on-demand ones can be had."""
        lack = (types, only_spot)
        self._lacks.append(lack)
        try:
            yield
        finally:
            self._lacks.remove(lack)

    def check(self, instance_type: str, *, is_spot: bool) -> None:
        """Refuse a machine that cannot be had, in the words that EC2 has been seen to use.

        https://repost.aws/knowledge-center/ec2-spot-instance-insufficient-capacity and
        https://repost.aws/knowledge-center/ec2-insufficient-capacity-errors
        """
        if not any((not types or instance_type in types) and (is_spot or not only) for types, only in self._lacks):
            return
        if is_spot:
            raise ApiError(LACKING, "There is no Spot capacity available that matches your request.")
        raise ApiError(
            LACKING,
            f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested. "
            "Our system will be working on provisioning additional capacity.",
        )

"""What a person or a key may do beyond the own tenant."""

from enum import StrEnum


class Role(StrEnum):
    """A user has a tenant only; a viewer sees everything in the admin pages; an operator may change it, too."""

    USER = "user"
    VIEWER = "viewer"
    OPERATOR = "operator"

    @property
    def can_view(self) -> bool:
        """Whether this role sees what belongs to all tenants."""
        return self is not Role.USER

    @property
    def can_operate(self) -> bool:
        """Whether this role may change what belongs to all tenants."""
        return self is Role.OPERATOR

    def covers(self, other: "Role") -> bool:
        """Whether who has this role may do all that one with the other may."""
        return (self.can_view or not other.can_view) and (self.can_operate or not other.can_operate)

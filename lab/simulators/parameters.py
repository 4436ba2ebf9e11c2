"""Parameters that AWS itself has, which moto guards as AWS does: nobody else writes them.

https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
"""

from datetime import datetime
from typing import Any

from lab.clock import Clock
from lab.server import Action


class PublicParameters:
    """Answers for AWS's own parameters by `values`; for all others moto does."""

    def __init__(self, ssm: Any, clock: Clock) -> None:
        self._ssm = ssm
        self._since: datetime = clock.now()
        self.values: dict[str, str] = {}

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        return {"ssm:GetParameter": self.get}

    def get(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a parameter."""
        name = parameters["Name"]
        if name not in self.values:
            answer: dict[str, Any] = self._ssm.get_parameter(**parameters)
            answer.pop("ResponseMetadata")
            return answer
        arn = f"arn:aws:ssm:eu-central-1::parameter{name}"
        found = {"Name": name, "Type": "String", "Value": self.values[name], "Version": 1, "ARN": arn}
        return {"Parameter": {**found, "LastModifiedDate": self._since, "DataType": "text"}}

"""Parameters: what moto, which keeps them, leaves out."""

from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from lab.clock import Clock
from lab.server import Action


class Parameters:
    """Answers for AWS's own parameters by `public`, which nobody else writes; looks at images before moto keeps them.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
    """

    def __init__(self, ssm: Any, ec2: Any, clock: Clock) -> None:
        self._ssm, self._ec2 = ssm, ec2
        self._since: datetime = clock.now()
        self.public: dict[str, str] = {}

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        return {"ssm:GetParameter": self.get, "ssm:PutParameter": self.put}

    def get(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a parameter."""
        name = parameters["Name"]
        if name not in self.public:
            answer: dict[str, Any] = self._ssm.get_parameter(**parameters)
            answer.pop("ResponseMetadata")
            return answer
        arn = f"arn:aws:ssm:eu-central-1::parameter{name}"
        found = {"Name": name, "Type": "String", "Value": self.public[name], "Version": 1, "ARN": arn}
        return {"Parameter": {**found, "LastModifiedDate": self._since, "DataType": "text"}}

    def put(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Write a parameter; one of an image is accepted and then not written, where there is no such image.

        https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html
        """
        if parameters.get("DataType") == "aws:ec2:image" and not self._is_image(parameters["Value"]):
            return {"Version": 1, "Tier": "Standard"}
        answer: dict[str, Any] = self._ssm.put_parameter(**parameters)
        answer.pop("ResponseMetadata")
        return answer

    def _is_image(self, image_id: str) -> bool:
        try:
            return bool(self._ec2.describe_images(ImageIds=[image_id])["Images"])
        except ClientError:
            return False

"""What outlives machines and releases: buckets, parameters, the network and the database."""

from aws_cdk import Environment, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from comfyfleet import names
from infrastructure.parts.bucket import make_bucket
from infrastructure.parts.database import make_database
from infrastructure.parts.exceptions import accept
from infrastructure.parts.network import make_network
from infrastructure.stages import FleetSettings, Stage

_LOG_DAYS = 90
_BASE_IMAGE = f"{{{{resolve:ssm:{names.BASE_IMAGE_PARAMETER}}}}}"


class DataStack(Stack):
    """`bp-<stage>-data`."""

    def __init__(self, scope: Construct, construct_id: str, stage: Stage, *, env: Environment) -> None:
        super().__init__(scope, construct_id, env=env, termination_protection=stage.is_production)
        self._stage = stage
        self.logs_name = names.logs_bucket(self.account, stage.name, prefix=stage.prefix)
        self.models_name = names.models_bucket(self.account, stage.name, prefix=stage.prefix)
        self.media_name = names.media_bucket(self.account, stage.name, prefix=stage.prefix)
        self.logs = make_bucket(self, "Logs", self.logs_name, stage, expires_days=_LOG_DAYS)
        self.models = make_bucket(
            self,
            "Models",
            self.models_name,
            stage,
            is_versioned=True,
            logs_to=self.logs,
            has_browser_uploads=True,
        )
        self.media = make_bucket(
            self,
            "Media",
            self.media_name,
            stage,
            logs_to=self.logs,
            has_browser_uploads=True,
        )
        accept(self.logs, "This is the bucket that the access logs of the others go to.", "AwsSolutions-S1")
        self.network = make_network(self, stage)
        self.database = make_database(self, stage, self.network)
        self._parameters(stage)
        for fleet in stage.fleets:
            self._pointers(fleet)

    def _parameters(self, stage: Stage) -> None:
        """Secrets hold a placeholder, which is refused everywhere; a deploy never writes over what an operator set."""
        self._parameter(
            "ModelsBucket", names.models_bucket_parameter(stage.name, prefix=stage.prefix), self.models.bucket_name
        )
        secret = names.SECRET_PLACEHOLDER
        self._parameter("FleetSecret", names.fleet_secret_parameter(stage.name, prefix=stage.prefix), secret)
        self._parameter("AppKey", names.app_key_parameter(stage.name, prefix=stage.prefix), secret)

    def _pointers(self, fleet: FleetSettings) -> None:
        """A fleet points to no bundle, and boots AWS's own GPU image until one was baked.

        CloudFormation reads that image's id when it makes the parameter; later deploys leave the parameter alone, since
        what the template says of it is the same: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/844.
        """
        stage = self._stage
        bundle = names.active_bundle_parameter(stage.name, fleet.slug, prefix=stage.prefix)
        self._parameter(f"ActiveBundle-{fleet.slug}", bundle, names.NO_BUNDLE)
        image = names.image_parameter(stage.name, fleet.slug, prefix=stage.prefix)
        self._parameter(f"Image-{fleet.slug}", image, _BASE_IMAGE, data_type="aws:ec2:image")

    def _parameter(self, construct_id: str, name: str, value: str, *, data_type: str = "text") -> None:
        """Make a parameter that outlives the stack, but not a first deploy that failed: the next one makes it again."""
        made = ssm.CfnParameter(self, construct_id, name=name, type="String", value=value, data_type=data_type)
        made.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)


def private_subnets(stack: DataStack) -> list[str]:
    """Return the subnets from which machines reach out and into which nothing comes."""
    chosen = stack.network.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
    return list(chosen.subnet_ids)

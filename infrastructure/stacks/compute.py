"""The control plane: tasks on Fargate behind a load balancer."""

import re
from pathlib import Path
from typing import Any, Final

from aws_cdk import Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_logs as logs
from aws_cdk import aws_ssm as ssm
from aws_cdk.aws_ecr_assets import Platform
from constructs import Construct

from comfyfleet import names
from infrastructure.parts.control_plane_role import grant
from infrastructure.parts.database import DATABASE_NAME, DATABASE_PORT
from infrastructure.parts.exceptions import accept, accept_wildcards
from infrastructure.parts.operating import grant_operating
from infrastructure.stacks.data import DataStack
from infrastructure.stages import Stage

_ECR_IMAGE: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<repository>[^:@]+)[:@](?P<version>.+)"
)
_REPOSITORY: Final = Path(__file__).parents[2]
_PORT: Final = 8600
_IN_IMAGE: Final = (
    "src",
    "requirements",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "infrastructure/control_plane",
    "infrastructure/machine",
)
_USER_ID: Final = "10001"
_CERTIFICATES: Final = "/etc/comfyfleet/certificates"
_PACKAGE: Final = "/opt/comfyfleet"
"""Where the image has what machines are provisioned with, see the Dockerfile."""


class ComputeStack(Stack):
    """`bp-<stage>-compute`."""

    def __init__(self, scope: Construct, construct_id: str, stage: Stage, data: DataStack, *, env: Environment) -> None:
        super().__init__(scope, construct_id, env=env)
        self._stage, self._data = stage, data
        self._cluster = ecs.Cluster(
            self, "Cluster", vpc=data.network, container_insights_v2=ecs.ContainerInsights.ENABLED
        )
        self._log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/comfyfleet/{stage.name}/control-plane",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self._image = self._image_of(stage.image)
        service = self._service()
        self.balancer = self._balancer(service)
        scheme = "https" if stage.certificate_arn else "http"
        self.site_url = stage.site_origin or f"{scheme}://{self.balancer.load_balancer_dns_name}"
        self._migration()

    def _image_of(self, name: str | None) -> ecs.ContainerImage:
        """Return an image: one of ECR, which the task may then pull, one that anybody may pull, or one to be built."""
        if name is None:
            return ecs.ContainerImage.from_asset(
                str(_REPOSITORY),
                file="infrastructure/control_plane/Dockerfile",
                exclude=["*", *(f"!{path}" for path in _IN_IMAGE), "**/__pycache__"],
                platform=Platform.LINUX_AMD64,
            )
        found = _ECR_IMAGE.match(name)
        if found is None:
            return ecs.ContainerImage.from_registry(name)
        arn = f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['repository']}"
        repository = ecr.Repository.from_repository_attributes(
            self, "Images", repository_arn=arn, repository_name=found["repository"]
        )
        return ecs.ContainerImage.from_ecr_repository(repository, found["version"])

    def _service(self) -> ecs.FargateService:
        serve = ["serve", "--host", "0.0.0.0", "--port", str(_PORT), "--proxy", "*"]  # noqa: S104
        # Otherwise a stage's first deploy would fail and be taken back: its secrets are placeholders until it ended.
        task = self._task("Task", [*serve, "--wait-for-secrets"])
        service = ecs.FargateService(
            self,
            "Service",
            cluster=self._cluster,
            task_definition=task,
            desired_count=2 if self._stage.is_production else 1,
            min_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            enable_execute_command=False,
        )
        # a rule of this stack: the data stack cannot know of a group of the stack that needs it
        ec2.CfnSecurityGroupIngress(
            self,
            "ToDatabase",
            ip_protocol="tcp",
            from_port=DATABASE_PORT,
            to_port=DATABASE_PORT,
            group_id=self._data.database.connections.security_groups[0].security_group_id,
            source_security_group_id=service.connections.security_groups[0].security_group_id,
            description="The control plane",
        )
        return service

    def _migration(self) -> None:
        """A task of its own, run before a release: `aws ecs run-task`, as the guide tells."""
        self._task("Migration", ["migrate"])

    def _task(self, name: str, command: list[str]) -> ecs.FargateTaskDefinition:
        task = ecs.FargateTaskDefinition(self, name, cpu=1024, memory_limit_mib=2048)
        is_serving = name == "Task"
        grant(task.task_role, self._stage, self._data)
        if is_serving and self._stage.pages_operate:
            grant_operating(task.task_role, self._stage, self._data)
        container = task.add_container(
            "control-plane",
            image=self._image,
            command=command,
            environment=self._environment() | (self._operating() if is_serving else {}),
            secrets=self._secrets(),
            logging=ecs.LogDrivers.aws_logs(stream_prefix=name.lower(), log_group=self._log),
            readonly_root_filesystem=True,
            user=_USER_ID,
            stop_timeout=Duration.seconds(60),
        )
        task.add_volume(name="tmp")
        container.add_mount_points(ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False))  # noqa: S108
        if is_serving:
            container.add_port_mappings(ecs.PortMapping(container_port=_PORT))
        accept(task, "What is set here is no secret; secrets come from SSM and Secrets Manager.", "AwsSolutions-ECS2")
        accept_wildcards(task, "ECR's tokens are given for the whole registry.", "*")
        return task

    def _environment(self) -> dict[str, str]:
        stage, data = self._stage, self._data
        return {
            "STAGE": stage.name,
            "CLOUD": "aws",
            "NAME_PREFIX": stage.prefix,
            "WORKER_IDENTITY_CHECK": stage.worker_identity_check,
            "AWS_ACCOUNT_ID": self.account,
            "AWS_IDENTITY_CERTIFICATES": _CERTIFICATES,
            "IS_HTTPS": "true" if stage.certificate_arn else "false",
            "AWS_BUCKET": data.media.bucket_name,
            "AWS_DEFAULT_REGION": stage.region,
            "COMFYUI_MODELS_BUCKET": data.models.bucket_name,
            "COMFYUI_MODELS_DISK": names.MODELS_DISK,
            "COMFYUI_LOGS_BUCKET": data.logs.bucket_name,
            "COMFYUI_LOGS_DISK": names.LOGS_DISK,
            "DATABASE_HOST": data.database.db_instance_endpoint_address,
            "DATABASE_NAME": DATABASE_NAME,
        }

    def _operating(self) -> dict[str, str]:
        return {"PAGES_OPERATE": "true", "MACHINE_PACKAGE": _PACKAGE} if self._stage.pages_operate else {}

    def _secrets(self) -> dict[str, Any]:
        stage, secret = self._stage, self._data.database.secret
        if secret is None:
            raise ValueError("the database has no secret")
        return {
            "APP_KEY": self._parameter("AppKey", names.app_key_parameter(stage.name, prefix=stage.prefix)),
            "COMFYUI_FLEET_SECRET": self._parameter(
                "FleetSecret", names.fleet_secret_parameter(stage.name, prefix=stage.prefix)
            ),
            "DATABASE_USER": ecs.Secret.from_secrets_manager(secret, "username"),
            "DATABASE_PASSWORD": ecs.Secret.from_secrets_manager(secret, "password"),
        }

    def _parameter(self, construct_id: str, name: str) -> ecs.Secret:
        found = self.node.try_find_child(construct_id)
        parameter = found or ssm.StringParameter.from_string_parameter_attributes(
            self, construct_id, parameter_name=name, force_dynamic_reference=True
        )
        return ecs.Secret.from_ssm_parameter(parameter)  # type: ignore[arg-type]  # jsii's child is a construct of any kind

    def _balancer(self, service: ecs.FargateService) -> elb.ApplicationLoadBalancer:
        balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=self._data.network,
            internet_facing=True,
            drop_invalid_header_fields=True,
            idle_timeout=Duration.seconds(120),  # longer than a poll is held open
            deletion_protection=self._stage.is_production,
        )
        balancer.log_access_logs(self._data.logs, "access/balancer")
        listener = self._listener(balancer)
        listener.add_targets(
            "ControlPlane",
            port=_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            targets=[service],
            deregistration_delay=Duration.seconds(45),
            health_check=elb.HealthCheck(path="/healthz", healthy_http_codes="200", interval=Duration.seconds(15)),
        )
        accept(balancer, "People and workers open the site from anywhere.", "AwsSolutions-EC23")
        return balancer

    def _listener(self, balancer: elb.ApplicationLoadBalancer) -> elb.ApplicationListener:
        if self._stage.certificate_arn is None:
            return balancer.add_listener("Http", port=80, open=True)
        balancer.add_redirect()
        certificate = acm.Certificate.from_certificate_arn(self, "Certificate", self._stage.certificate_arn)
        return balancer.add_listener(
            "Https", port=443, certificates=[certificate], ssl_policy=elb.SslPolicy.RECOMMENDED_TLS, open=True
        )

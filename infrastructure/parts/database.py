"""Postgres of a stage."""

from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from infrastructure.parts.exceptions import accept
from infrastructure.stages import Stage

DATABASE_NAME: Final = "comfyfleet"
DATABASE_PORT: Final = 5432
_USER: Final = "comfyfleet"


def make_database(scope: Construct, stage: Stage, network: ec2.IVpc) -> rds.DatabaseInstance:
    """Make an encrypted Postgres that only the control plane reaches; its password is made by Secrets Manager."""
    database = rds.DatabaseInstance(
        scope,
        "Database",
        engine=rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_9),
        instance_type=ec2.InstanceType.of(
            ec2.InstanceClass.M7G if stage.is_production else ec2.InstanceClass.T4G,
            ec2.InstanceSize.LARGE if stage.is_production else ec2.InstanceSize.MEDIUM,
        ),
        vpc=network,
        vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
        credentials=rds.Credentials.from_generated_secret(_USER, exclude_characters="\"'/@:?#[]%&+ $`\\{}|^<>;,!()*=~"),
        database_name=DATABASE_NAME,
        port=DATABASE_PORT,
        multi_az=stage.is_production,
        storage_encrypted=True,
        allocated_storage=50,
        max_allocated_storage=500,
        backup_retention=Duration.days(14 if stage.is_production else 3),
        deletion_protection=stage.is_production,
        removal_policy=RemovalPolicy.SNAPSHOT,
        auto_minor_version_upgrade=True,
        cloudwatch_logs_exports=["postgresql", "upgrade"],
        iam_authentication=False,
        parameters={"rds.force_ssl": "1"},
    )
    accept(
        database,
        "The port is no secret: only the control plane's security group reaches it, in closed subnets.",
        "AwsSolutions-RDS11",
    )
    if not stage.is_production:
        accept(
            database, "A stage that is not production may be thrown away.", "AwsSolutions-RDS3", "AwsSolutions-RDS10"
        )
    accept(
        database,
        "Rotation needs a restart of the control plane; the guide tells how it is done by hand.",
        "AwsSolutions-SMG4",
    )
    return database

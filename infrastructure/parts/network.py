"""The network of a stage."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infrastructure.stages import Stage


def make_network(scope: Construct, stage: Stage) -> ec2.Vpc:
    """Make a network of public subnets, private ones that reach out, and closed ones for the database.

    Objects go to S3 by an endpoint of the network: models of tens of gigabytes never pay for a NAT gateway.
    """
    return ec2.Vpc(
        scope,
        "Network",
        availability_zones=[f"{stage.region}{letter}" for letter in stage.zones],
        nat_gateways=len(stage.zones) if stage.is_production else 1,
        restrict_default_security_group=False,
        subnet_configuration=[
            ec2.SubnetConfiguration(
                name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
            ),
            ec2.SubnetConfiguration(name="machines", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20),
            ec2.SubnetConfiguration(name="data", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24),
        ],
        gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        flow_logs={
            "Rejected": ec2.FlowLogOptions(
                traffic_type=ec2.FlowLogTrafficType.REJECT,
                destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                    logs.LogGroup(scope, "NetworkLog", retention=logs.RetentionDays.ONE_MONTH)
                ),
            )
        },
    )

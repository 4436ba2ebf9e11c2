"""What wakes a fleet, lets it grow, and brings it back to zero.

- `queue-has-jobs`: jobs wait and no worker is there: one machine more (a step policy).
- Target tracking keeps the open jobs for each machine near a number, between one machine and the most.
- `queue-empty`: no open job for a while: the function `to_zero`.

No data is no reason to act: while the control plane is away, machines stay as they are.
"""

from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from comfyfleet import names
from comfyfleet.names import Metric
from infrastructure.parts.capacity import CapacityFunctions
from infrastructure.stages import FleetSettings, Stage

_PERIOD_SECONDS = 60
_WARMUP_SECONDS = 300


def add_scaling(
    scope: Construct,
    stage: Stage,
    fleet: FleetSettings,
    group: autoscaling.CfnAutoScalingGroup,
    capacity: CapacityFunctions,
) -> None:
    """Add the two alarms and the policies of a fleet's group."""
    _wake(scope, stage, fleet, group)
    _follow(scope, fleet, group)
    _rest(scope, stage, fleet, capacity)


def _wake(scope: Construct, stage: Stage, fleet: FleetSettings, group: autoscaling.CfnAutoScalingGroup) -> None:
    policy = autoscaling.CfnScalingPolicy(
        scope,
        "Wake",
        auto_scaling_group_name=group.ref,
        policy_type="StepScaling",
        adjustment_type="ChangeInCapacity",
        estimated_instance_warmup=_WARMUP_SECONDS,
        metric_aggregation_type="Maximum",
        step_adjustments=[
            autoscaling.CfnScalingPolicy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)
        ],
    )
    cloudwatch.CfnAlarm(
        scope,
        "QueueHasJobs",
        alarm_name=names.queue_has_jobs_alarm(stage.name, fleet.slug),
        alarm_description=f"Jobs of {fleet.slug} wait and no worker is there.",
        metrics=[
            _figure("depth", fleet, Metric.QUEUE_DEPTH),
            _figure("workers", fleet, Metric.ACTIVE_WORKERS),
            cloudwatch.CfnAlarm.MetricDataQueryProperty(
                id="waiting", expression="IF(workers < 1, depth, 0)", label="Jobs that wait for a first worker"
            ),
        ],
        comparison_operator="GreaterThanThreshold",
        threshold=0,
        evaluation_periods=1,
        treat_missing_data="notBreaching",
        alarm_actions=[policy.ref],
    )


def _follow(scope: Construct, fleet: FleetSettings, group: autoscaling.CfnAutoScalingGroup) -> None:
    properties, target = autoscaling.CfnScalingPolicy, fleet.jobs_per_machine
    autoscaling.CfnScalingPolicy(
        scope,
        "Follow",
        auto_scaling_group_name=group.ref,
        policy_type="TargetTrackingScaling",
        estimated_instance_warmup=_WARMUP_SECONDS,
        target_tracking_configuration=properties.TargetTrackingConfigurationProperty(
            customized_metric_specification=properties.CustomizedMetricSpecificationProperty(
                metrics=[
                    _tracked("backlog", fleet, Metric.BACKLOG_PER_INSTANCE),
                    _tracked("workers", fleet, Metric.ACTIVE_WORKERS),
                    # The last machine stays until the queue has been empty for long enough: see `_rest`.
                    properties.TargetTrackingMetricDataQueryProperty(
                        id="wanted",
                        expression=f"IF(workers > 1, backlog, IF(backlog > {target:g}, backlog, {target:g}))",
                        label="Open jobs for each machine, and no fewer for the last one",
                    ),
                ]
            ),
            target_value=target,
            disable_scale_in=False,
        ),
    )


def _rest(scope: Construct, stage: Stage, fleet: FleetSettings, capacity: CapacityFunctions) -> None:
    alarm = cloudwatch.CfnAlarm(
        scope,
        "QueueEmpty",
        alarm_name=names.queue_empty_alarm(stage.name, fleet.slug),
        alarm_description=f"{fleet.slug} has had no open job for {fleet.idle_minutes} minutes.",
        namespace=names.METRICS_NAMESPACE,
        metric_name=Metric.QUEUE_DEPTH,
        dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name=names.FLEET_DIMENSION, value=fleet.slug)],
        statistic="Maximum",
        period=_PERIOD_SECONDS,
        evaluation_periods=fleet.idle_minutes,
        comparison_operator="LessThanThreshold",
        threshold=1,
        treat_missing_data="notBreaching",
        alarm_actions=[capacity.to_zero.function_arn],
    )
    capacity.to_zero.add_permission(
        "Alarm", principal=iam.ServicePrincipal("lambda.alarms.cloudwatch.amazonaws.com"), source_arn=alarm.attr_arn
    )


def _tracked(
    query_id: str, fleet: FleetSettings, metric: Metric
) -> autoscaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty:
    properties = autoscaling.CfnScalingPolicy
    return properties.TargetTrackingMetricDataQueryProperty(
        id=query_id,
        return_data=False,
        metric_stat=properties.TargetTrackingMetricStatProperty(
            metric=properties.MetricProperty(
                namespace=names.METRICS_NAMESPACE,
                metric_name=metric,
                dimensions=[properties.MetricDimensionProperty(name=names.FLEET_DIMENSION, value=fleet.slug)],
            ),
            stat="Average",
        ),
    )


def _figure(query_id: str, fleet: FleetSettings, metric: Metric) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
    return cloudwatch.CfnAlarm.MetricDataQueryProperty(
        id=query_id,
        return_data=False,
        metric_stat=cloudwatch.CfnAlarm.MetricStatProperty(
            metric=cloudwatch.CfnAlarm.MetricProperty(
                namespace=names.METRICS_NAMESPACE,
                metric_name=metric,
                dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name=names.FLEET_DIMENSION, value=fleet.slug)],
            ),
            period=_PERIOD_SECONDS,
            stat="Maximum",
        ),
    )

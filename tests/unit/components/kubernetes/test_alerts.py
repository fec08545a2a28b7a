from __future__ import annotations

import pulumi

from components.kubernetes.alert_rules import TARGETS, MonitoredWorkloads
from components.kubernetes.alerts import Alerts, AlertsArgs, pod_monitor, prometheus_rule
from components.kubernetes.cluster_access import ClusterAccess, ClusterAccessArgs
from components.kubernetes.inference_spec import deployment
from components.kubernetes.labels import APP
from tests.support.mocks import deploy

WATCHED = MonitoredWorkloads("us-west-2", ("us-west-2a", "us-west-2b"), 4, 2)


def test_rules_and_pod_monitor_are_in_the_namespace_of_inference() -> None:
    def build() -> None:
        cluster = pulumi.ComponentResource("dr:test:Cluster", "cluster")
        access = ClusterAccess(
            "access",
            ClusterAccessArgs("ml-dr", "us-west-2", "arn:cluster", "https://cluster", "Q0E=", None, [cluster]),
        )
        Alerts("alerts", AlertsArgs(access, WATCHED))

    cloud = deploy(build)

    (rule,), (monitor,) = (cloud.of(kind).values() for kind in ("PrometheusRule", "PodMonitor"))
    assert rule.inputs["metadata"]["name"] == "ml-ha-alerts"
    assert {made.inputs["metadata"]["namespace"] for made in (rule, monitor)} == {"ml-serving"}
    assert rule.inputs["spec"] == prometheus_rule(WATCHED)["spec"]


def test_the_job_name_in_rules_is_that_of_the_pod_monitor() -> None:
    metadata = pod_monitor()["metadata"]

    assert f'job="{metadata["namespace"]}/{metadata["name"]}"' == TARGETS
    assert pod_monitor()["spec"]["selector"]["matchLabels"] == APP
    assert deployment.__doc__

"""Images and charts that a region needs. Pure.

Images of settings are those of `Serving.images`. Images of a chart's pods are listed here by the place of the image in
the chart's values; their versions are read from the chart itself, so that a chart never runs another version than the
one that its publisher tested. Left out is what pods of these charts never use with this project's values
(components/kubernetes/addons_spec.py): grafana, node-exporter, webhook certificates, Thanos, node feature discovery.

EKS add-ons and the pause image are not listed: "The images are pulled from an Amazon EKS Amazon ECR private repository.
Amazon EKS replicates the images to a repository in each Amazon EKS supported AWS Region" (EKS user guide, "View Amazon
container image registries for Amazon EKS add-ons").

Sources of the places: values.yaml and templates of each chart: aws/eks-charts (stable/aws-load-balancer-controller),
kubernetes/autoscaler (charts/cluster-autoscaler), NVIDIA/k8s-device-plugin (deployments/helm/nvidia-device-plugin),
prometheus-community/helm-charts (charts/kube-prometheus-stack, charts/kube-state-metrics), vmware-tanzu/helm-charts
(charts/velero; pull request 706 for kubectl), istio/istio (manifests/charts/istio-control/istio-discovery),
aws/karpenter-provider-aws (charts/karpenter).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dr.clusters.charts import BACKUP, BALANCER, CHARTS, DEVICE_PLUGIN, MESH, NODE_MAKER, PROMETHEUS, SCALER, Chart
from dr.topology.supply import Kind
from dr.topology.topology import Topology


class Form(StrEnum):
    """How a chart's values name an image."""

    TAGGED = "repository, tag"
    """The template puts `:` between both; a tag may therefore carry a digest: `v1@sha256:...`."""
    SPLIT = "registry, repository, tag, sha"
    """`sha` is the digest without its algorithm."""
    DIGEST = "repository, tag, digest"
    """A digest takes precedence over the tag, or follows it."""
    WHOLE = "reference"
    """One text; Istio takes an image with a `/` in it as the whole reference."""


@dataclass(frozen=True)
class ChartImage:
    """An image of a chart's pods.

    Args:
        chart: The chart.
        path: Place of the image in the chart's values, with dots: "prometheusOperator.image"; a number is an index.
        name: Registry and repository of its publisher.
        tags: Templates of the tag; the first one with a value counts. `{image.tag}` is a value of the chart,
            `{appVersion}` is its application's version.
        form: How the values name it.
        digest: Place of a digest that the publisher has pinned; "" for none.
        subchart: Name of the subchart with the default values; "" for the chart itself.
    """

    chart: Chart
    path: str
    name: str
    tags: tuple[str, ...]
    form: Form = Form.TAGGED
    digest: str = ""
    subchart: str = ""

    @property
    def subject(self) -> str:
        """The image in messages."""
        return f"{self.chart.name}: {self.path}"


KUBECTL_TAG = "v1.35.0"
"""The chart takes the cluster's version, which is not known before the cluster exists. kubectl works with API servers
one minor version older or newer (Kubernetes documentation, "Version Skew Policy")."""
BACKUP_PLUGIN = "docker.io/velero/velero-plugin-for-aws:v1.14.0"
"""The plugin's minor version follows Velero's: 1.14 with 1.18 (velero-io/velero-plugin-for-aws, pull request 286, and
the table in its README)."""
_PLUGIN_NAME, _, _PLUGIN_TAG = BACKUP_PLUGIN.rpartition(":")
ISTIO_TAGS = ("{global.tag}", "{_internal_defaults_do_not_set.global.tag}", "{appVersion}")

CHART_IMAGES = (
    ChartImage(BALANCER, "image", "public.ecr.aws/eks/aws-load-balancer-controller", ("{image.tag}",)),
    ChartImage(SCALER, "image", "registry.k8s.io/autoscaling/cluster-autoscaler", ("{image.tag}",)),
    ChartImage(DEVICE_PLUGIN, "image", "nvcr.io/nvidia/k8s-device-plugin", ("{image.tag}", "v{appVersion}")),
    ChartImage(
        PROMETHEUS,
        "prometheusOperator.image",
        "quay.io/prometheus-operator/prometheus-operator",
        ("{prometheusOperator.image.tag}", "{appVersion}"),
        Form.SPLIT,
    ),
    ChartImage(
        PROMETHEUS,
        "prometheusOperator.prometheusConfigReloader.image",
        "quay.io/prometheus-operator/prometheus-config-reloader",
        ("{prometheusOperator.prometheusConfigReloader.image.tag}", "{appVersion}"),
        Form.SPLIT,
    ),
    ChartImage(
        PROMETHEUS,
        "prometheus.prometheusSpec.image",
        "quay.io/prometheus/prometheus",
        ("{prometheus.prometheusSpec.image.tag}",),
        Form.SPLIT,
    ),
    ChartImage(
        PROMETHEUS,
        "alertmanager.alertmanagerSpec.image",
        "quay.io/prometheus/alertmanager",
        ("{alertmanager.alertmanagerSpec.image.tag}",),
        Form.SPLIT,
    ),
    ChartImage(
        PROMETHEUS,
        "kube-state-metrics.image",
        "registry.k8s.io/kube-state-metrics/kube-state-metrics",
        ("{image.tag}", "v{appVersion}"),
        Form.SPLIT,
        subchart="kube-state-metrics",
    ),
    ChartImage(BACKUP, "image", "docker.io/velero/velero", ("{image.tag}", "v{appVersion}"), Form.DIGEST),
    ChartImage(BACKUP, "kubectl.image", "registry.k8s.io/kubectl", (KUBECTL_TAG,), Form.DIGEST),
    ChartImage(BACKUP, "initContainers.0.image", _PLUGIN_NAME, (_PLUGIN_TAG,), Form.WHOLE),
    ChartImage(MESH, "image", "docker.io/istio/pilot", ISTIO_TAGS, Form.WHOLE),
    ChartImage(MESH, "global.proxy.image", "docker.io/istio/proxyv2", ISTIO_TAGS, Form.WHOLE),
    ChartImage(
        NODE_MAKER,
        "controller.image",
        "public.ecr.aws/karpenter/controller",
        ("{controller.image.tag}", "{appVersion}"),
        Form.DIGEST,
        digest="{controller.image.digest}",
    ),
)
"""Images of the pods of all charts. The base chart of Istio has no pods."""


def images_of(chart: Chart) -> tuple[ChartImage, ...]:
    """Return the images of a chart's pods."""
    return tuple(image for image in CHART_IMAGES if image.chart == chart)


@dataclass(frozen=True)
class Needs:
    """What a region needs.

    Args:
        images: Image references by the setting that names them.
        charts: Charts, in the order of the table.
    """

    images: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]

    def __iter__(self) -> Iterator[tuple[Kind, str]]:
        """Return the kind and the name of each setting's image and of each chart."""
        yield from ((Kind.SERVING, reference) for _, reference in self.images)
        yield from ((Kind.CHARTS, chart_key(chart)) for chart in self.charts)


def chart_key(chart: Chart) -> str:
    """Return the name of a chart in lists and in the lock file."""
    return f"{chart.name} {chart.version}"


def needed(topology: Topology) -> Needs:
    """Return what the regions need.

    All charts are named, also those that the present settings do not install, so that a setting can be changed while
    their publishers are unavailable. An existing cluster has its owner's add-ons.
    """
    images = tuple(topology.images.items())
    return Needs(images, () if topology.existing_cluster else CHARTS)

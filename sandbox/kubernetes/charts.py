"""The charts that can be installed: by name, and which custom resource definitions they bring.

A chart comes from the internet. What is here is ours: of each chart the definitions that this program's objects need,
with the required fields and enumerations of the published ones, and nothing that would run.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "charts"
Object = dict[str, Any]
BARE = frozenset({"cluster-autoscaler", "gpu-operator", "istiod", "metrics-server", "nvidia-device-plugin"})
"""Charts that bring no definitions that this program has objects of."""
SAME_AS = {"kube-prometheus-stack": "prometheus-operator-crds"}


def known_charts() -> list[str]:
    """The names of all charts."""
    return sorted({*BARE, *SAME_AS, *(path.stem for path in FOLDER.glob("*.yaml"))})


def chart_name(chart: str) -> str:
    """A chart's name out of its reference: `oci://host/path/karpenter`, `repository/velero`, `velero`."""
    return chart.rstrip("/").rpartition("/")[2]


@cache
def definitions(chart: str) -> tuple[Object, ...]:
    """The custom resource definitions of a chart, complete."""
    if chart in BARE:
        return ()
    content = yaml.safe_load((FOLDER / f"{SAME_AS.get(chart, chart)}.yaml").read_text())
    return tuple(_definition(each) for each in content["definitions"])


def _definition(brief: Object) -> Object:
    kind, group = brief["kind"], brief["group"]
    plural = brief.get("plural", f"{kind.lower()}s")
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": brief["spec"], "status": {"type": "object", **ANYTHING}},
    }
    version = {
        "name": brief["version"],
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": brief.get("scope", "Namespaced"),
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }


ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
"""What a definition does not spell out."""

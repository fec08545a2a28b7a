"""Published files of charts, from pinned Go modules.

The files that archives need are copied into the toolchain's cache: Go and the network are needed once for each user.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from sandbox.toolchain.build import MODULE_FOLDER, Modules
from sandbox.toolchain.tool import Release, Report, Tool

KARPENTER = "github.com/aws/karpenter-provider-aws"
PROMETHEUS = "github.com/prometheus-operator/prometheus-operator"
ISTIO = "istio.io/api"
MODULES = Modules(MODULE_FOLDER / "charts", "charts", KARPENTER, on_path=False)
PROMETHEUS_DEFINITIONS = tuple(
    f"example/prometheus-operator-crd/monitoring.coreos.com_{kinds}.yaml"
    for kinds in ("podmonitors", "prometheusrules", "servicemonitors")
)
ISTIO_DEFINITIONS = "kubernetes/customresourcedefinitions.gen.yaml"
TAKEN: Mapping[str, tuple[str, ...]] = {
    KARPENTER: ("charts/karpenter", "pkg/apis/crds"),
    PROMETHEUS: PROMETHEUS_DEFINITIONS,
    ISTIO: (ISTIO_DEFINITIONS,),
}
"""Module to the files and the folders that are taken of it."""


def _release() -> Release:
    digest = MODULES.digest(repr(sorted(TAKEN.items())).encode())
    return Release(digest, f"charts-{digest}")


def _open(folder: Path, origin: str) -> Path | None:
    return folder if _complete(folder) else None


def _complete(folder: Path) -> bool:
    return all((folder / module / path).exists() for module, paths in TAKEN.items() for path in paths)


def _fetch(folder: Path, report: Report) -> None:
    report("fetching published chart files: 8 MB, once for each user", None)
    for module, source in MODULES.download(tuple(TAKEN)).items():
        for path in TAKEN[module]:
            files = [source / path] if (source / path).is_file() else (source / path).rglob("*")
            for file in files:
                if file.is_file():
                    copy = folder / module / file.relative_to(source)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    # copyfile copies no permissions: Go's own copies are read-only.
                    shutil.copyfile(file, copy)


PUBLISHED: Tool[Path] = Tool(
    subject=MODULES.subject,
    release=_release,
    minutes=0.1,
    open=_open,
    works=_complete,
    ways={"download": (_fetch, "downloaded")},
)
"""The folder of published files."""

"""Published files that archives are made of, out of pinned Go modules: fetched once for each user.

What archives need of the modules is copied into the toolchain's cache, so that Go is needed for the first time only.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from functools import cache as once
from pathlib import Path

from sandbox.toolchain.build import MODULE_FOLDER, Modules
from sandbox.toolchain.cache import Kept, Report

KARPENTER = "github.com/aws/karpenter-provider-aws"
PROMETHEUS = "github.com/prometheus-operator/prometheus-operator"
ISTIO = "istio.io/api"
MODULES = Modules(MODULE_FOLDER / "charts", "charts", KARPENTER, minutes=0.1, on_path=False)
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
"""Module to what is taken of it: files, and folders with all that is in them."""


@once
def kept() -> Kept:
    """What go.sum and the table ask for."""
    wanted = (MODULES.folder / "go.sum").read_bytes() + repr(sorted(TAKEN.items())).encode()
    digest = hashlib.sha256(wanted).hexdigest()[:8]
    return Kept("charts", digest, f"charts-{digest}")


def find_charts() -> Path | None:
    """The folder of published files, if they were fetched; it fetches nothing."""
    return _found("cached")


def ensure_charts(report: Report) -> Path:
    """The folder of published files, fetched if they are not there.

    Safe when several processes ask at once, or one is killed. 8 MB are downloaded.

    Raises:
        Failed: they are not there and Go cannot fetch them, or the cache cannot be written.
    """
    return find_charts() or kept().get(_found, {"download": (_fetch, "downloaded")}, _complete, report)


def _found(origin: str) -> Path | None:
    return kept().place if _complete(kept().place) else None


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
                    # The content alone: Go's own copies are read-only.
                    shutil.copyfile(file, copy)

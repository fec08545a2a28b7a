"""The kubeconfig of an EKS cluster. Pure.

It contains no credentials. kubectl runs `dr eks-token`, which signs a token with the caller's AWS credentials; the
kubeconfig of `aws eks update-kubeconfig` runs the AWS CLI for this (EKS user guide, "Create kubeconfig file").
"""

from __future__ import annotations

from typing import Any

EXEC_API = "client.authentication.k8s.io/v1"
INSTALL_HINT = (
    "Tokens come from `dr eks-token`. Put this checkout's `dr` on PATH: `make install`, then "
    '`export PATH="$PWD/.local/venv/bin:$PATH"` (README.md, "Install")'
)


def kubeconfig(name: str, region: str, endpoint: str, ca_data: str) -> dict[str, Any]:
    """Return a kubeconfig with one context, named after the region; each region has one cluster.

    Args:
        name: Name of the cluster that tokens are signed for.
        region: Region of the cluster; the name of the context, the cluster and the user.
        endpoint: URL of the API server: "https://...".
        ca_data: Base64-encoded PEM certificate of the certificate authority, as returned by EKS.
    """
    # interactiveMode Never: signing needs no terminal, and CI jobs have none.
    command = {
        "apiVersion": EXEC_API,
        "command": "dr",
        "args": ["eks-token", "--cluster-name", name, "--region", region],
        "interactiveMode": "Never",
        "installHint": INSTALL_HINT,
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": region, "cluster": {"server": endpoint, "certificate-authority-data": ca_data}}],
        "users": [{"name": region, "user": {"exec": command}}],
        "contexts": [{"name": region, "context": {"cluster": region, "user": region}}],
        "current-context": region,
    }

"""The kubeconfig of an EKS cluster: where its API is, and that each call fetches a token of its own. Pure.

No credential is in it: `dr eks-token` signs a token with whatever AWS credentials the caller has, as `aws eks
update-kubeconfig` would have the AWS CLI do (EKS user guide, "Create kubeconfig file").
"""

from __future__ import annotations

from typing import Any

EXEC_API = "client.authentication.k8s.io/v1"
INSTALL_HINT = "Tokens come from `dr eks-token`: put this checkout's `dr` on PATH (README.md)."


def kubeconfig(name: str, region: str, endpoint: str, ca_data: str) -> dict[str, Any]:
    """A kubeconfig with one context, named by the region: there is one cluster in each.

    Args:
        name: The name of the cluster, for which tokens are signed.
        region: Its region; name of context, cluster and user.
        endpoint: Its API: "https://...".
        ca_data: PEM of its certificate authority, in base64, as EKS answers it.
    """
    # Never: the token needs no terminal, and a pipeline has none.
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

"""The environment of processes that work on a sandbox."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.local import ROOT, Local
from sandbox.server_process import Server
from sandbox.toolchain import Toolchain, aws_plugin

FOREIGN = ("AWS_", "PULUMI_")
"""First letters of variables that point an SDK or the engine elsewhere, unless they are the sandbox's own."""
WITHOUT_CHECKPOINTS = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""Makes the engine write the state once, at the end. That is faster, but a killed engine loses the state: for first
deployments only, which can be repeated."""


def environment(local: Local, server: Server, toolchain: Toolchain) -> dict[str, str]:
    """Variables that point AWS SDKs, the engine and this project's commands at a sandbox and at nothing else.

    The `foreign` ones, such as a profile, a token or the endpoint of one service, must be removed as well.
    """
    absent = local.folder / "no-aws-configuration"
    path = [local.commands, Path(sys.executable).parent, toolchain.pulumi.parent]
    # Where both spellings are set, Python reads the lower-case one and Go the upper-case one.
    direct = ["127.0.0.1", "localhost", *filter(None, (os.environ.get("NO_PROXY"), os.environ.get("no_proxy")))]
    direct = list(dict.fromkeys(",".join(direct).split(",")))
    return {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(absent),
        "AWS_SHARED_CREDENTIALS_FILE": str(absent),
        "AWS_EC2_METADATA_DISABLED": "true",
        "KUBECONFIG": str(local.kubeconfig),
        "NO_PROXY": ",".join(direct),
        "no_proxy": ",".join(direct),
        "PULUMI_HOME": str(local.pulumi_home),
        # With metadata the backend writes a second file beside each state: an engine killed between the two leaves a
        # stack that cannot be read.
        "PULUMI_BACKEND_URL": f"{local.backend.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "sandbox",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "DR_RESOLVER": server.resolver,
        "DR_PROJECT": str(local.project),
        "DR_SANDBOX_STATE": str(local.folder),
        **aws_plugin.variables(),
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(ROOT / ".local" / "cache" / "pycache")),
        # Without bytecode files every run of the program would compile the SDK again, which takes seconds.
        "PYTHONDONTWRITEBYTECODE": "",
        "PATH": os.pathsep.join(dict.fromkeys([*map(str, path), *os.environ.get("PATH", "").split(os.pathsep)])),
    }


def foreign(variables: Mapping[str, str]) -> list[str]:
    """Names of this process's variables that would point an SDK or the engine elsewhere."""
    return [name for name in os.environ if name.startswith(FOREIGN) and name not in variables]


def enter(variables: Mapping[str, str]) -> None:
    """Set the sandbox's variables in this process and remove the foreign ones."""
    for name in foreign(variables):
        del os.environ[name]
    os.environ.update(variables)

"""The programs of the sandbox that no package registry of Python has: the `pulumi` engine, Kubernetes and its plugin.

    from sandbox.toolchain.programs import ensure_programs

Each is found on PATH or in the user's cache, or made there, from what a go.mod pins. `python -m sandbox.toolchain` gets
all and says where they are; Kubernetes' own part is in sandbox/toolchain/kubernetes_binaries.py.
"""

from sandbox.toolchain.cache import Report
from sandbox.toolchain.pulumi import Toolchain, ensure_pulumi, find_pulumi

__all__ = ["Report", "Toolchain", "ensure_pulumi", "find_pulumi"]

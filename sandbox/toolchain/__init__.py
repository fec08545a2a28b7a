"""The `pulumi` engine of the sandbox: found, downloaded, or built from the Go modules pinned here.

    from sandbox.toolchain import ensure_pulumi

go.mod is the one place that says which version; `python -m sandbox.toolchain` gets it and says where it is.
"""

from sandbox.toolchain.build import Report
from sandbox.toolchain.pulumi import Toolchain, ensure_pulumi, find_pulumi

__all__ = ["Report", "Toolchain", "ensure_pulumi", "find_pulumi"]

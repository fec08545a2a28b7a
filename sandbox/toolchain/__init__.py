"""Tools of the sandbox that Python's package registry lacks: Pulumi's engine, Kubernetes, a plugin, crane, charts.

Each is found on PATH or in the user's cache, or made there from the modules that a go.mod pins (`tool.Tool`).
`python -m sandbox.toolchain` makes all of them and prints their paths.
"""

from sandbox.toolchain.pulumi import ENGINE, Toolchain
from sandbox.toolchain.tool import Report, Tool

__all__ = ["ENGINE", "Report", "Tool", "Toolchain"]

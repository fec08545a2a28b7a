"""Resources that carry tags carry their logical name too: they are found by it where the state does not know them."""

from __future__ import annotations

import pulumi

from dr.operations.pending_operations import NAME_TAG


def name_resources() -> None:
    """From here on, tag what is made with its name."""
    pulumi.runtime.register_stack_transformation(_named)


def _named(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    tags = args.props.get("tags")
    if not isinstance(tags, dict):
        return None
    return pulumi.ResourceTransformationResult({**args.props, "tags": {**tags, NAME_TAG: args.name}}, args.opts)

"""Tag with the logical name of each resource; `dr adopt` uses it to find resources that the state lacks."""

from __future__ import annotations

import pulumi

from dr.operations.pending_operations import NAME_TAG


def name_resources() -> None:
    """Tag all resources declared after this call with their logical names."""
    pulumi.runtime.register_stack_transformation(_named)


def _named(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    tags = args.props.get("tags")
    if not isinstance(tags, dict):
        return None
    return pulumi.ResourceTransformationResult({**args.props, "tags": {**tags, NAME_TAG: args.name}}, args.opts)

"""The logical name as a tag: `dr adopt` finds resources by it that the state does not contain."""

from __future__ import annotations

import pulumi

from dr.operations.pending_operations import NAME_TAG


def name_resources() -> None:
    """Tag each resource that is declared from here on with its logical name."""
    pulumi.runtime.register_stack_transformation(_named)


def _named(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    tags = args.props.get("tags")
    if not isinstance(tags, dict):
        return None
    return pulumi.ResourceTransformationResult({**args.props, "tags": {**tags, NAME_TAG: args.name}}, args.opts)

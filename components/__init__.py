"""Pulumi components. Modules *_spec, *_rules and *_iam, and those of this folder, make no resource."""

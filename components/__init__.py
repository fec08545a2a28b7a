"""Pulumi components. Modules named *_spec, *_rules or *_iam, and modules of this folder, create no resources."""

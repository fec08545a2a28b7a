"""Sandbox: a local AWS emulator that `pulumi up` deploys to. The product never imports it and works without it."""

"""Chart archives for Helm: what chart repositories and an OCI registry serve in the sandbox."""

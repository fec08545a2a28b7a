"""The Pulumi engine on this machine, and what runs Python for it."""

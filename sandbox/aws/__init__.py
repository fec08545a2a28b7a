"""AWS on this machine: moto, and what it lacks."""

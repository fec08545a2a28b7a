"""What an operator does: status, rollout, adopt."""

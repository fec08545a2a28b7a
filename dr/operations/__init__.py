"""Operations of the `dr` command: status, rollout, adopt."""

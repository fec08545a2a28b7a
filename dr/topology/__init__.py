"""What a deployment is: regions, tiers, sizes, networks and what serves. Plain values; nothing here calls AWS."""

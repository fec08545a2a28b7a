"""Documents that both regions and the operator read: contract, incident state, levers, journal."""

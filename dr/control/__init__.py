"""Documents that both regions and operators read: contract, incident state, levers, journal."""

"""A client population outside both regions: caching resolvers, requests at a fixed rate, and a log of the answers."""

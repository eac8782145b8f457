"""Short training runs: configuration and loop."""

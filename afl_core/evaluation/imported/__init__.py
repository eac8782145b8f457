"""Tables of metrics that other tools have computed, as results."""

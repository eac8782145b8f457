"""A case for viewers that people already have."""

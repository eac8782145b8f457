"""What every page shares: the open comparison, the error panel, kept widgets, charts, the running job."""

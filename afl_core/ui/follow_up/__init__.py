"""The Follow-up page."""

"""The Loss X-ray page."""

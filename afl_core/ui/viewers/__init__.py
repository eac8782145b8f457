"""The slice viewer and the surface viewer; `static/` draws them in the browser."""

"""Case x source to rows: sources, pipeline and the results store."""

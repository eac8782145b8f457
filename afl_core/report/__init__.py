"""A self-contained HTML report: breakdown and results folder in, one file out."""

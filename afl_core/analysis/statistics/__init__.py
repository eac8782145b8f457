"""The statistics: intervals, paired tests, interaction and confounding, on plain arrays and tables."""

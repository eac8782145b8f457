"""Results by tumour size and smoothness: units, bins, measures, tables and sentences."""

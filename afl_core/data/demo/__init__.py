"""The made-up cohort: its design, its lesions, its images."""

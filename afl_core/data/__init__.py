"""Files to cases: reading, layouts, preprocessing and the synthetic demo cohort."""

"""Loss X-ray: the focusing of A-FL on a cohort, and where the gradient of each loss goes."""

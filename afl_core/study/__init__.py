"""The study: the losses that the question needs, with several seeds, on the same cases, batches and steps."""

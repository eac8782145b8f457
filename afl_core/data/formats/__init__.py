"""Image files: NIfTI, MHA and NRRD, read into RAS+ order or refused."""

"""The losses inside nnU-Net: which trainers there are, and the loss that each trains with."""

"""What computes a forward pass: arrays in, arrays out."""

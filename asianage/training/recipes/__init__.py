"""Named recipes: every choice of a training run as plain values."""

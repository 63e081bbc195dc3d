"""Batches, losses and the loop that fits one network."""

"""The study that the package grew out of."""

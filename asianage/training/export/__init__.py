"""From a trained network to a calibrated model folder and to other formats."""

from asianage.errors import needs_extra

with needs_extra("train", "A conversion"):
    import keras  # noqa: F401

"""Random changes of pictures, for training only."""

from asianage.errors import needs_extra

with needs_extra("train", "Augmentation"):
    from asianage.training.augmentation.crop import Augmentation, augment

__all__ = ["Augmentation", "augment"]

"""Random changes of pictures, for training only."""

from asianage.training.augmentation.crop import Augmentation, augment

__all__ = ["Augmentation", "augment"]

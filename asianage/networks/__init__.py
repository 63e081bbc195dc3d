"""Keras networks, from crops to logits. They read no files and no images. Needs the extra `train`."""

from asianage.errors import needs_extra

with needs_extra("train", "A Keras network"):
    import keras  # noqa: F401

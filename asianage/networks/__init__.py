"""Keras networks, from crops to logits. They read no files and no images. Needs the extra `train`."""

from asianage.errors import needs_extra
from asianage.native_output import without_announcements

with needs_extra("train", "A Keras network"), without_announcements():
    import keras  # noqa: F401

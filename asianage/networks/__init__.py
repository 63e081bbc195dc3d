"""Keras networks, from crops to logits. They know no files and no images. Needs the extra `train`."""

"""Labeled faces: read, cleaned, split, and cut to crops on disk. Nothing here needs Keras."""

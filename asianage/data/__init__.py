"""Labeled faces: where they come from, which are used, and who trains, chooses and measures."""

"""A model folder: what is in it, where it comes from, and how it runs."""

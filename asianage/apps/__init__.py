"""Prediction where users work: batches on many machines, video, a demo. Each module needs an extra of its own."""

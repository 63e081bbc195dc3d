"""Training of the face detector, on the loop of `asianage.training.fit`."""

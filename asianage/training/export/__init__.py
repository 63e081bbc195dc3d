"""From a trained network to a calibrated model folder and to other formats."""

"""Face detectors: where the faces of a photo are."""

from asianage.faces.detection.detector import Detection, FaceDetector, as_detections, filter_detections
from asianage.faces.detection.selection import select_detector

__all__ = ["Detection", "FaceDetector", "as_detections", "filter_detections", "select_detector"]

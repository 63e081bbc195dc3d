"""Face detectors: where the faces of a photo are."""

from asianage.faces.detection.detector import Detection, FaceDetector, find_faces
from asianage.faces.detection.selection import select_detector

__all__ = ["Detection", "FaceDetector", "find_faces", "select_detector"]

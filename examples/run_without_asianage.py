"""Run an exported network with onnxruntime or LiteRT alone, preprocessing and decoding included.

    asianage export compact --to onnx
    python examples/run_without_asianage.py compact.onnx CONFIG.json FACE_CROP

The second argument is config.json of the model folder. The third is a tight, upright picture of one face: the eyes at
about 0.33 and 0.67 of the width and 0.40 of the height, the mouth at 0.76 of the height. A face in a photo is brought
there with the similarity transform that best maps its five landmarks onto those places.

Needs numpy, pillow, and onnxruntime for .onnx or ai-edge-litert for .tflite.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def run_onnx(path: str, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return age logits (n, ages) and gender logits (n, 1)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["age_logits", "gender_logit"], {session.get_inputs()[0].name: crops.astype(np.float32)})


def run_tflite(path: str, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return age logits (n, ages) and gender logits (n, 1)."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path)
    details = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(details["index"], crops.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(details["index"], crops.astype(details["dtype"]))
    interpreter.invoke()
    outputs = [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
    age_logits, gender_logit = sorted(outputs, key=lambda output: -output.shape[1])
    return age_logits, gender_logit


def main() -> None:
    """Print age, interval and gender of one face."""
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    network, config_file, picture = sys.argv[1:]
    config = json.loads(Path(config_file).read_text("utf-8"))
    calibration = config["calibration"]

    size = config["image_size"]
    crop = Image.open(picture).convert("RGB").resize((size, size), Image.Resampling.BOX)
    crops = np.asarray(crop)[None]  # uint8 (1, size, size, 3), RGB in [0, 255]; scaling is part of the network
    run = run_onnx if network.endswith(".onnx") else run_tflite
    age_logits, gender_logit = run(network, crops)

    scaled = np.exp((age_logits[0] - age_logits[0].max()) / calibration["age_temperature"])
    distribution = scaled / scaled.sum()
    ages = np.arange(config["min_age"], config["max_age"] + 1)
    masses = np.atleast_1d(calibration["interval_mass"]["0.9"])  # one for all ages, or one for each of some
    fine = np.linspace(ages[0], ages[-1], 100 * len(ages))
    edges = np.append(ages - 0.5, ages[-1] + 0.5)
    below = np.interp(fine, edges, np.append(0, distribution.cumsum()))
    allowed = np.interp(edges, np.linspace(ages[0], ages[-1], len(masses)), masses)
    held = np.abs(2 * below - 1) <= np.interp(fine, edges, allowed)
    low, high = fine[held].min(), fine[held].max()
    male = 1 / (1 + np.exp(-gender_logit[0, 0] / calibration["gender_temperature"]))
    gender = config["genders"][int(male > 0.5)]
    print(f"{distribution @ ages:.1f} years ({low:.1f}-{high:.1f}), {gender} ({max(male, 1 - male):.1%})")


if __name__ == "__main__":
    main()

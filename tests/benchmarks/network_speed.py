"""Time the bundled networks through LiteRT on one thread, beside MobileNetV3-Small converted the same way.

python tests/benchmarks/network_speed.py            # the bundled networks alone
python tests/benchmarks/network_speed.py --compare  # needs the extra `train`
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from asianage.models import folder as model_folder

ROUNDS = 20
CALLS = 50


def interpreter(path: Path) -> tuple[Interpreter, dict]:
    """Return a single-threaded interpreter for one crop, with its input."""
    network = Interpreter(model_path=str(path), num_threads=1)
    details = network.get_input_details()[0]
    network.allocate_tensors()
    network.set_tensor(details["index"], np.zeros(details["shape"], dtype=details["dtype"]))
    for _ in range(CALLS):
        network.invoke()
    return network, details


def mobilenet(folder: Path) -> dict[str, Path]:
    """Convert MobileNetV3-Small (96 x 96, random weights) as the bundled networks are converted."""
    import keras

    from asianage.training.export.litert import to_tflite

    network = keras.applications.MobileNetV3Small((96, 96, 3), weights=None, classes=102)
    samples = np.random.default_rng(0).integers(0, 256, (50, 96, 96, 3), dtype=np.uint8)
    paths = {}
    for quantization in ("float32", "int8"):
        path = paths[f"MobileNetV3-Small 96 px {quantization}"] = folder / f"{quantization}.tflite"
        path.write_bytes(to_tflite(network, quantization=quantization, samples=samples))
    return paths


def main() -> None:
    """Measure in turn, round by round, so that the machine's load hits all alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            f"{name} (bundled)": model_folder.BUNDLED / name / model_folder.NETWORK
            for name in model_folder.bundled_names()
        }
        if options.compare:
            paths |= mobilenet(Path(folder))
        networks = {name: interpreter(path)[0] for name, path in paths.items()}
        rounds: dict[str, list[float]] = {name: [] for name in networks}
        for _ in range(ROUNDS):
            for name, network in networks.items():
                started = time.perf_counter()
                for _ in range(CALLS):
                    network.invoke()
                rounds[name].append(1000 * (time.perf_counter() - started) / CALLS)
        print(f"{'network':<28} {'median ms':>10} {'best ms':>8} {'MB':>6}")
        for name, times in rounds.items():
            size = paths[name].stat().st_size / 1e6
            print(f"{name:<28} {statistics.median(times):>10.3f} {min(times):>8.3f} {size:>6.2f}")


if __name__ == "__main__":
    main()

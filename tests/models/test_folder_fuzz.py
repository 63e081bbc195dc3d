"""Crafted and damaged model folders: whatever lies in them, `ModelFormatError` or a model, never a crash.

The folders are made and read in a process of their own, because LiteRT and HDF5 are libraries in C++ and C. Run this
file as a script for more of them: ``python tests/models/test_folder_fuzz.py WORK_FOLDER SEED KIND=COUNT ...``.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 15, 16, 17, 31, 33, 1024, 1025, 2**31, 2**63, 10**30, 1e308, 1e-320, float("nan")),
    *("", "0", ".", "..", "../../x", "/etc/passwd", "a\0b", "C:\\x", "model.tflite", "config.json", "x" * 10_000),
    *("\ud800", [], [[]], [1], [10**9], [10**9] * 8, [-1, 4], ["4"], [None], [4] * 1000, {}, {"": 0}, {"0.9": 2}),
    *({"../x": "0" * 64}, {"config.json": "0" * 64}, {"a/b": "0" * 64}, {"model.tflite": "0" * 64}),
    {"widths": [10**9]},
    {"widths": [2048] * 8, "blocks": [32] * 8},
)

CONFIG, NETWORK, WEIGHTS = "config.json", "model.tflite", "model.weights.h5"


def crafted_config(files: dict[str, bytes], random: random.Random) -> None:
    """Change values of config.json, or its bytes; the other files stay as they are."""
    if random.random() < 0.2:
        files[CONFIG] = damaged(files[CONFIG], random)
        return
    values = json.loads(files[CONFIG])
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        owner = random.choice((values, values, values["calibration"], values["network"], values["files"]))
        if not isinstance(owner, dict) or not owner:
            continue
        key = random.choice([*owner, "unknown"])
        change = random.random()
        if change < 0.1:
            owner.pop(key, None)
        elif change < 0.15:
            owner[key] = nested(random.choice((5, 200, 900, 5000)))
        else:
            owner[key] = random.choice(NASTY)
        if not isinstance(values.get("calibration"), dict) or not isinstance(values.get("network"), dict):
            break
        if not isinstance(values.get("files"), dict):
            break
    with contextlib.suppress(RecursionError):  # As deep as this process can write it.
        files[CONFIG] = json.dumps(values).encode("utf-8")


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def crafted_network(files: dict[str, bytes], random: random.Random) -> None:
    """Damage the flatbuffer, and make the hash fit."""
    files[NETWORK] = damaged(files[NETWORK], random)
    rehash(files)


def crafted_weights(files: dict[str, bytes], random: random.Random) -> None:
    """Damage the HDF5 file or build a wrong one, and make the hash fit."""
    files[WEIGHTS] = damaged(files[WEIGHTS], random) if random.random() < 0.6 else wrong_weights(files[WEIGHTS], random)
    rehash(files)


def crafted_detector(files: dict[str, bytes], random: random.Random) -> None:
    """Damage a network of a detector and make the hash fit, or damage config.json."""
    name = random.choice(("detector.tflite", "detector.tflite", "landmarks.tflite", CONFIG))
    files[name] = damaged(files[name], random)
    if name != CONFIG:
        rehash(files)


def rehash(files: dict[str, bytes]) -> None:
    values = json.loads(files[CONFIG])
    values["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in values["files"]}
    files[CONFIG] = json.dumps(values).encode()


def damaged(content: bytes, random: random.Random) -> bytes:
    """Change some bytes or numbers, or take some out, or break the file off."""
    data = bytearray(content)
    kind = random.random()
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(max(1, len(data) - 8))
        if kind < 0.4:
            data[place] = random.randrange(256)
        elif kind < 0.8:
            place &= ~3
            numbers = (0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**32 - 1, random.randrange(2**32), random.randrange(len(data)))
            data[place : place + 4] = struct.pack("<I", random.choice(numbers))
        elif kind < 0.9:
            del data[place : place + random.randrange(1, 64)]
        else:
            del data[place:]
    return bytes(data)


def wrong_weights(content: bytes, random: random.Random) -> bytes:
    """Change the structure of a weights file as an attacker would."""
    import io

    import h5py
    import numpy as np

    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name = random.choice(names)
        dataset = file[name]
        shape, dtype = dataset.shape, dataset.dtype
        values = dataset[()]
        del file[name]
        tricks = ("external", "soft", "outside", "virtual", "huge", "shape", "text", "nan", "gone", "extra")
        trick = random.choice(tricks)
        if trick == "external":
            file[name] = h5py.ExternalLink("/etc/passwd", "/")
        elif trick == "soft":
            file[name] = h5py.SoftLink(random.choice((f"/{name}", "/nowhere", "/layers")))
        elif trick == "outside":
            file.create_dataset(name, shape, dtype, external=[("/etc/passwd", 0, int(np.prod(shape)) * 4)])
        elif trick == "virtual":
            layout = h5py.VirtualLayout(shape, dtype)
            layout[...] = h5py.VirtualSource("/etc/hostname", "x", shape)
            file.create_virtual_dataset(name, layout)
        elif trick == "huge":
            file.create_dataset(name, (2**31, 2**20), "f4", chunks=(1024, 1024), compression="gzip")
        elif trick == "shape":
            file.create_dataset(name, data=np.zeros((*shape, 2), dtype))
        elif trick == "text":
            file.create_dataset(name, data=np.full(shape, b"x"))
        elif trick == "nan":
            file.create_dataset(name, data=np.full(shape, np.nan, dtype))
        elif trick == "extra":
            file.create_dataset(name, data=values)
            file.create_dataset("layers/lambda/vars/0", data=values)
    return buffer.getvalue()


CRAFT: dict[str, Callable[[dict[str, bytes], random.Random], None]] = {
    "config": crafted_config,
    "network": crafted_network,
    "weights": crafted_weights,
    "detector": crafted_detector,
}


def read_folder(folder: Path, target: Path, kind: str) -> None:
    """Do with a model folder what a user can do with it."""
    import numpy as np

    from asianage.faces.detection.bundled import BundledDetector
    from asianage.models.pretrained import open_detector, open_model, save_model
    from asianage.prediction.estimator import AgeGenderEstimator

    if kind == "detector":
        detector = open_detector(folder)
        BundledDetector(detector).detect(np.full((40, 60, 3), 90, np.uint8))
        save_model(detector, target, overwrite=True)
        return
    model = open_model(folder)
    if kind != "weights":
        size = model.config.image_size
        AgeGenderEstimator(model, detector=None, num_threads=1).predict_crops(
            np.zeros((2, size, size, 3), np.uint8), align=False
        )
    if kind != "network":
        from asianage.networks.restore import restore_network

        restore_network(model)
    save_model(model, target, overwrite=True)


def fuzz(kind: str, source: Path, work: Path, count: int, seed: int) -> dict[str, int]:
    """Read `count` crafted folders, and count how that ended."""
    from asianage.errors import ModelFormatError

    original = {file.name: file.read_bytes() for file in source.iterdir()}
    folder = work / "in" / "folder"
    folder.mkdir(parents=True)
    outcomes: collections.Counter[str] = collections.Counter()
    for case in range(count):
        files = dict(original)
        CRAFT[kind](files, random.Random(f"{seed}-{case}"))
        for name, content in files.items():
            (folder / name).write_bytes(content)
        # The last line tells which case ended the process.
        print(case, file=sys.stderr, flush=True)
        try:
            read_folder(folder, work / "out" / "copy", kind)
            outcomes["read"] += 1
        except ModelFormatError:
            outcomes["ModelFormatError"] += 1
        except Exception as error:
            outcomes[f"{type(error).__name__}: {str(error)[:200]} (case {case})"] += 1
    return dict(outcomes)


CASES = {"config": 50, "network": 250, "weights": 20, "detector": 20}
MANY_CASES = {"config": 3000, "network": 5000, "weights": 1500, "detector": 2000}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    return run_cases(tmp_path_factory.mktemp("fuzz"), CASES, seed=0)


@pytest.mark.parametrize("kind", CASES)
def test_crafted_folders_are_refused_or_read(kind: str, outcomes: dict[str, dict[str, int]]) -> None:
    check(outcomes[kind], CASES[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", MANY_CASES)
def test_many_crafted_folders_are_refused_or_read(kind: str, tmp_path: Path) -> None:
    check(run_cases(tmp_path, {kind: MANY_CASES[kind]}, seed=1)[kind], MANY_CASES[kind])


def run_cases(work: Path, counts: dict[str, int], seed: int) -> dict[str, dict[str, int]]:
    """Return how the cases of each kind ended."""
    for package in ("tensorflow", "h5py"):
        pytest.importorskip(package, reason="needs the extra train")
    (work / "work").mkdir()
    arguments = [work / "work", seed, *(f"{kind}={count}" for kind, count in counts.items())]
    result = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True, timeout=900, check=False
    )
    assert result.returncode == 0, f"ended with {result.returncode}: {result.stderr[-2000:]}"
    # Nothing was written but where it was asked for.
    assert {path.name for path in work.iterdir()} == {"work"}
    assert {path.name for path in (work / "work").iterdir()} == {"model", *counts}
    for kind in counts:
        assert {path.name for path in (work / "work" / kind).iterdir()} <= {"in", "out"}
        assert [path.name for path in (work / "work" / kind / "in").iterdir()] == ["folder"]
    return json.loads(result.stdout.splitlines()[-1])


def check(outcomes: dict[str, int], count: int) -> None:
    assert set(outcomes) <= {"read", "ModelFormatError"}, outcomes
    assert outcomes["ModelFormatError"] > count // 4, outcomes
    assert sum(outcomes.values()) == count


def tiny_int8_model(folder: Path) -> Path:
    """Write a quantized model with random weights that really runs; quantization has the most to go wrong."""
    import numpy as np

    from asianage.models.config import ModelConfig
    from asianage.models.folder import write_model_folder
    from asianage.networks.residual import residual_network
    from asianage.training.export.litert import to_tflite, to_weights

    arguments = {"widths": [4, 8], "blocks": [0, 1], "dropout": 0.2}
    network = residual_network(image_size=32, **arguments)
    samples = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    files = {NETWORK: to_tflite(network, quantization="int8", samples=samples), WEIGHTS: to_weights(network)}
    config = ModelConfig(name="tiny", architecture="residual", image_size=32, network=arguments)
    return write_model_folder(folder, config, files, card="# Tiny\n").path


def main(work: str, seed: str, *counts: str) -> None:
    from asianage.models.folder import BUNDLED, BUNDLED_DETECTOR

    model = tiny_int8_model(Path(work, "model"))
    sources = {kind: BUNDLED / BUNDLED_DETECTOR if kind == "detector" else model for kind in CRAFT}
    cases = dict(item.split("=") for item in counts)
    print(
        json.dumps(
            {kind: fuzz(kind, sources[kind], Path(work, kind), int(count), int(seed)) for kind, count in cases.items()}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

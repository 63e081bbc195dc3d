"""Errors of single frames and of people followed through a video, on moving collages of photos, as Markdown tables.

python tests/benchmarks/video_tracks.py labels.csv --faces 138

Each clip shows six photos on a gray ground. They wander, grow, shrink and turn, become blurred and darker, may pass in
front of each other, and the clip is compressed. Every photo is another person.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from asianage import AgeGenderEstimator, load_image
from asianage.apps.people import PersonAverage, quality_weight
from asianage.apps.video import VideoFrame, predict_video
from asianage.data.records import FaceRecord, read_records
from asianage.models import ages
from asianage.prediction.face_prediction import FacePrediction

SIZE = (960, 540)
"""Width and height of a clip, in pixels."""

RATE = 25
PEOPLE = 6


class WanderingPhoto:
    """A photo that moves: its place, size, angle, sharpness and light at a time are smooth and random."""

    def __init__(self, record: FaceRecord, cell: tuple[float, float], random: np.random.Generator) -> None:
        self.record = record
        self._image = Image.fromarray(load_image(record.path))
        self._cell = np.array(cell)
        self._phase, self._speed = random.uniform(0, 2 * np.pi, 7), random.uniform(0.5, 3.0, 7)
        self.place = (0, 0, 0, 0)

    def paste(self, canvas: Image.Image, seconds: float) -> None:
        """Paste the photo as it is at a time, and note its box."""
        wave = np.sin(self._phase + self._speed * seconds).tolist()
        side = 150 * 2 ** (0.8 * wave[2])
        image = self._image.resize((round(side), round(side * self._image.height / self._image.width)))
        if wave[4] > 0.3:
            image = image.filter(ImageFilter.GaussianBlur(0.03 * side * (wave[4] - 0.3)))
        image = image.point([min(255, round(value * (0.75 + 0.4 * wave[5]))) for value in range(256)] * 3)
        mask = Image.new("L", image.size, 255)
        angle = 20.0 * wave[3]
        image, mask = (picture.rotate(angle, Image.Resampling.BILINEAR, expand=True) for picture in (image, mask))
        left, top = np.round(self._cell + 90 * np.array(wave[:2]) - np.array(image.size) / 2).astype(int).tolist()
        canvas.paste(image, (left, top), mask)
        self.place = (left, top, left + image.width, top + image.height)


Places = Sequence[tuple[int, int, int, int]]


def clips(records: Sequence[FaceRecord], seed: int) -> Iterator[list[WanderingPhoto]]:
    """Yield the photos of each clip, on a grid of two rows."""
    random = np.random.default_rng(seed)
    columns = (PEOPLE + 1) // 2
    cells = [
        (SIZE[0] * (number % columns + 0.5) / columns, SIZE[1] * (number // columns + 0.5) / 2)
        for number in range(PEOPLE)
    ]
    for first in range(0, len(records) - PEOPLE + 1, PEOPLE):
        some = records[first : first + PEOPLE]
        yield [WanderingPhoto(record, cell, random) for record, cell in zip(some, cells, strict=True)]


def write_clip(path: Path, photos: Sequence[WanderingPhoto], seconds: float) -> list[Places]:
    """Write a clip, and return the box of each photo in each frame."""
    import av

    places = []
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "28", "preset": "veryfast"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(round(seconds * RATE)):
            canvas = Image.new("RGB", SIZE, (110, 110, 110))
            for photo in photos:
                photo.paste(canvas, number / RATE)
            places.append([photo.place for photo in photos])
            container.mux(stream.encode(av.VideoFrame.from_image(canvas)))
        container.mux(stream.encode())
    return places


class Seen:
    """What was seen of one photo: number of the person and estimate of the frame alone, frame after frame."""

    def __init__(self, record: FaceRecord, clip: int) -> None:
        self.record = record
        self.clip = clip
        self.numbers: list[int | None] = []
        self.faces: list[FacePrediction] = []


def assign(frame: VideoFrame, places: Places, seen: Sequence[Seen]) -> None:
    """Note each face with the photo whose middle is nearest, if the face lies in it."""
    for face in frame.people:
        x_min, y_min, x_max, y_max = face.face.box
        x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
        best = int(np.argmin([((a + c) / 2 - x) ** 2 + ((b + d) / 2 - y) ** 2 for a, b, c, d in places]))
        a, b, c, d = places[best]
        if a < x < c and b < y < d:
            seen[best].numbers.append(face.person)
            seen[best].faces.append(face.face)


def _variance(face: FacePrediction) -> float:
    return max(float(face.age_distribution @ (face.age_axis.ages - face.age) ** 2), 1.0)


WEIGHTS: dict[str, Callable[[FacePrediction], float]] = {
    "all alike": lambda face: 1.0,
    "by 1 / variance": lambda face: 1.0 / _variance(face),
    "by score": lambda face: face.detection_score or 0.0,
    "less with a warning": lambda face: 0.1 if face.warnings else 1.0,
    "by size, less with a warning": quality_weight,
}


def cells(people: Sequence[Seen], estimates: Sequence[Sequence[tuple[float, float, float]]]) -> str:
    """Return error, coverage and width as cells of a table. Each photo counts the same.

    Args:
        people: The photos.
        estimates: For each photo the age and the interval of each of its estimates.
    """
    table = []
    for seen, values in zip(people, estimates, strict=True):
        age, low, high = np.array(values).T
        truth = float(seen.record.age or 0.0)
        covers = (low <= truth) & (truth <= high)
        table.append([np.abs(age - truth).mean(), covers.mean(), (high - low).mean()])
    error, covered, width = np.mean(table, axis=0)
    return f"{error:.2f} | {covered:.1%} | {width:.1f}"


def plain(face: FacePrediction) -> tuple[float, float, float]:
    """Return age and interval."""
    return face.age, *face.age_interval


def report_averages(estimator: AgeGenderEstimator, people: Sequence[Seen]) -> None:
    """Print error, coverage and width of several averages."""
    config = estimator.model.config
    mass = config.calibration.mass_of(0.9)
    print("\n| estimate | MAE, years | interval covers | width, years |\n|---|---|---|---|")
    still = [(seen, estimator.predict(seen.record.path)) for seen in people]
    found = [(seen, [plain(faces[0])]) for seen, faces in still if faces]
    print(f"| the photo itself | {cells(*zip(*found, strict=True))} |")
    print(f"| single frames | {cells(people, [[plain(face) for face in seen.faces] for seen in people])} |")
    for kind in ("distributions", "logarithms"):
        for name, weight in WEIGHTS.items():
            rows = []
            for seen in people:
                values = np.array([face.age_distribution for face in seen.faces], dtype=np.float64)
                weights = [weight(face) for face in seen.faces]
                mean = np.average(np.log(values + 1e-6) if kind == "logarithms" else values, axis=0, weights=weights)
                mean = ages.softmax(mean if kind == "logarithms" else np.log(mean))[None]
                estimate = config.calibration.age_estimate
                age = float(ages.estimated_age(config.axis, mean, estimate)[0])
                rows.append([(age, *ages.age_interval(config.axis, mean, mass, estimate)[0].tolist())])
            print(f"| average of {kind}, {name} | {cells(people, rows)} |")


def report_steadiness(estimator: AgeGenderEstimator, people: Sequence[Seen]) -> None:
    """Print how the estimate of a person becomes better, how far it moves, and how the numbers are kept."""
    averages = []
    for seen in people:
        person = PersonAverage(estimator.model.config.calibration)
        averages.append([person.add(face) for face in seen.faces])
    print("\n| frames | MAE, years | interval covers | width, years |\n|---|---|---|---|")
    for count in (1, 10, 25, 50, 100):
        rows = [[plain(faces[:count][-1])] for faces in averages]
        print(f"| {count} | {cells(people, rows)} |")
    for name, many in (("alone", [seen.faces for seen in people]), ("as a person", averages)):
        steps = [np.abs(np.diff([face.age for face in faces])).mean() for faces in many if len(faces) > 1]
        print(f"From frame to frame the age moves by {np.mean(steps):.2f} years {name}.")
    owners: dict[tuple[int, int], set[int]] = defaultdict(set)
    counts = []
    for index, seen in enumerate(people):
        numbers = {number for number in seen.numbers if number is not None}
        counts.append(len(numbers))
        for number in numbers:
            owners[seen.clip, number].add(index)
    mixed = np.mean([len(photos) > 1 for photos in owners.values()])
    print(
        f"{np.mean(np.array(counts) == 1):.0%} of the photos have one number; {mixed:.1%} of the numbers are mixed up."
    )


def main() -> None:
    """Make the clips, predict them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--dataset", default="aaf")
    parser.add_argument("--split", default="val")
    parser.add_argument("--faces", type=int, default=138)
    parser.add_argument("--skip", type=int, default=0, help="faces that are left out first")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--model", default="compact")
    options = parser.parse_args()
    wanted = (options.dataset, options.split)
    records = [r for r in read_records(options.table) if (r.dataset, r.split) == wanted and r.age is not None]
    order = np.random.default_rng(0).permutation(len(records))[options.skip : options.skip + options.faces]
    estimator = AgeGenderEstimator(options.model)
    people: list[Seen] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, photos in enumerate(clips([records[i] for i in order], seed=0)):
            path = Path(folder, f"{number}.mp4")
            places = write_clip(path, photos, options.seconds)
            seen = [Seen(photo.record, number) for photo in photos]
            for frame in predict_video(path, estimator=estimator, every=options.every):
                assign(frame, places[frame.number], seen)
            people += seen
            path.unlink()
    total = len(people)
    people = [seen for seen in people if seen.faces]
    frames = np.mean([len(seen.faces) for seen in people])
    print(f"{len(people)} of {total} photos were seen, on average in {frames:.0f} frames.")
    report_averages(estimator, people)
    report_steadiness(estimator, people)


if __name__ == "__main__":
    main()

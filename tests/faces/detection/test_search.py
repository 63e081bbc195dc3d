from __future__ import annotations

import numpy as np
import pytest

from asianage.faces.detection import Detection
from asianage.faces.detection.search import BASE_SIDE, LARGE_SIDE, search_scales

LANDMARKS = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]], dtype=np.float32)


class SquareDetector:
    """Sees bright squares whose side, in the image that it is given, lies within its limits."""

    name = "squares"

    def __init__(self, smallest: float = 8, largest: float = 250, *, needs_border: bool = False) -> None:
        self.searched: list[tuple[int, int]] = []
        self._limits = smallest, largest
        self._needs_border = needs_border

    def detect(self, image: np.ndarray) -> list[Detection]:
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        self.searched.append(image.shape[:2])
        found = []
        # Every square has a red of its own.
        for red in (120, 150, 180, 210, 240):
            rows, columns = np.nonzero((np.abs(image[:, :, 0].astype(int) - red) < 8) & (image[:, :, 1] > 200))
            if len(rows) == 0:
                continue
            box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
            at_edge = min(box) <= 0 or box[2] >= image.shape[1] or box[3] >= image.shape[0]
            if self._limits[0] <= box[2] - box[0] <= self._limits[1] and not (self._needs_border and at_edge):
                corner, side = np.array(box[:2]), box[2] - box[0]
                # Larger squares on the image are seen more clearly.
                found.append(Detection(box, corner + LANDMARKS * side, 0.5 + side / 1000))
        return found


class FixedDetector:
    """Gives the same answer, in shares of the image, whatever it sees."""

    name = "fixed"

    def __init__(self, *faces: Detection) -> None:
        self._faces = faces

    def detect(self, image: np.ndarray) -> list[Detection]:
        return [face.mapped(max(image.shape[:2])) for face in self._faces]


def photo(height: int, width: int, *squares: tuple[int, int, int, int]) -> np.ndarray:
    """Squares as (x, y, side, red) on black."""
    image = np.zeros((height, width, 3), np.uint8)
    for x, y, side, red in squares:
        image[y : y + side, x : x + side] = (red, 255, 0)
    return image


# --- which scales are searched -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((320, 240), [320]),
        ((100, 80), [320]),
        ((480, 480), [320]),
        ((481, 300), [320, 481]),
        ((960, 720), [320, 960]),
        ((3000, 4000), [320, 960]),
    ],
)
def test_small_photos_are_searched_once_and_large_ones_twice(shape, sides):
    detector = SquareDetector()
    # A square that is seen at every scale, so that there is no last search.
    side = max(shape) // 5
    search_scales(detector.detect, photo(*shape, (side // 2, side // 2, side, 240)))
    assert [max(searched) for searched in detector.searched] == sides
    for searched in detector.searched:
        assert searched[0] / searched[1] == pytest.approx(shape[0] / shape[1], rel=0.01)


def test_large_and_small_faces_of_one_photo_are_found():
    # At a third of its size the small square is 7 pixels, and at full size the large one has 600.
    image = photo(960, 960, (300, 300, 600, 240), (20, 20, 21, 150))
    faces = search_scales(SquareDetector().detect, image)
    assert [face.box for face in faces] == [
        pytest.approx((300.0, 300.0, 900.0, 900.0), abs=3.0),
        pytest.approx((20.0, 20.0, 41.0, 41.0), abs=1.0),
    ]


def test_a_face_seen_at_both_scales_is_one_face_with_the_better_score():
    detector = SquareDetector(largest=1000)
    faces = search_scales(detector.detect, photo(960, 960, (300, 300, 300, 240)))
    assert len(detector.searched) == 2
    assert [face.score for face in faces] == [pytest.approx(0.8)]


# --- where the faces are -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(320, 320), (64, 48), (200, 300), (481, 640), (1200, 900), (2500, 3600)])
def test_coordinates_are_those_of_the_photo(height, width):
    x, y, side = width // 3, height // 4, min(height, width) // 3
    (face,) = search_scales(SquareDetector().detect, photo(height, width, (x, y, side, 240)))
    tolerance = 2.0 * max(height, width) / BASE_SIDE + 1.0
    assert face.box == pytest.approx((x, y, x + side, y + side), abs=tolerance)
    np.testing.assert_allclose(face.landmarks, np.array([x, y]) + LANDMARKS * side, atol=2 * tolerance)


def test_exact_shares_of_the_photo_come_back_exactly():
    face = Detection((0.25, 0.125, 0.5, 0.5), LANDMARKS * 0.25, 0.9)
    (found,) = search_scales(FixedDetector(face).detect, photo(700, 1000))
    assert found.box == pytest.approx((250.0, 125.0, 500.0, 500.0))
    np.testing.assert_allclose(found.landmarks, LANDMARKS * 250, rtol=1e-5)


def test_faces_come_largest_first():
    image = photo(400, 400, (10, 10, 40, 120), (100, 10, 100, 150), (10, 250, 70, 180), (250, 250, 90, 210))
    faces = search_scales(SquareDetector().detect, image)
    assert [round(face.box[2] - face.box[0], -1) for face in faces] == [100.0, 90.0, 70.0, 40.0]
    assert [face.area for face in faces] == sorted((face.area for face in faces), reverse=True)


def test_of_two_boxes_on_one_face_the_better_stays():
    good = Detection((0.2, 0.2, 0.6, 0.6), None, 0.9)
    shifted = Detection((0.22, 0.22, 0.62, 0.62), None, 0.8)
    for faces in ((good, shifted), (shifted, good)):
        (found,) = search_scales(FixedDetector(*faces).detect, photo(400, 400))
        assert found.score == 0.9


def test_neighbors_and_a_face_before_another_stay_two_faces():
    # Overlaps (intersection over union) of 1/7 and 1/4.
    touching = Detection((0.0, 0.0, 0.4, 0.4), None, 0.9), Detection((0.3, 0.0, 0.7, 0.4), None, 0.8)
    nested = Detection((0.0, 0.0, 0.8, 0.8), None, 0.9), Detection((0.2, 0.2, 0.6, 0.6), None, 0.8)
    for faces in (touching, nested):
        assert len(search_scales(FixedDetector(*faces).detect, photo(400, 400))) == 2


# --- a last search -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(160, 160), (200, 120), (900, 1200)])
def test_a_face_that_fills_its_photo_is_found_with_a_border(height, width):
    side = min(height, width)
    detector = SquareDetector(needs_border=True)
    (face,) = search_scales(detector.detect, photo(height, width, (0, 0, side, 240)))
    tolerance = 3.0 * max(height, width) / BASE_SIDE
    assert face.box == pytest.approx((0, 0, side, side), abs=tolerance)
    np.testing.assert_allclose(face.landmarks, LANDMARKS * side, atol=2 * tolerance)
    border = round(0.25 * max(height, width))
    ratio = (height + 2 * border) / (width + 2 * border)
    assert max(detector.searched[-1]) == BASE_SIDE
    assert detector.searched[-1][0] / detector.searched[-1][1] == pytest.approx(ratio, rel=0.02)


def test_there_is_no_last_search_where_a_face_was_found():
    detector = SquareDetector(needs_border=True)
    faces = search_scales(detector.detect, photo(320, 320, (0, 0, 100, 240), (150, 150, 50, 150)))
    assert len(faces) == len(detector.searched) == 1


def test_where_there_is_no_face_there_is_none():
    detector = SquareDetector()
    assert search_scales(detector.detect, photo(800, 600)) == []
    assert [max(searched) for searched in detector.searched] == [BASE_SIDE, 800, BASE_SIDE]


@pytest.mark.parametrize("shape", [(16, 16), (16, 5000), (5000, 16), (17, 333)])
def test_photos_of_extreme_shapes_are_searched(shape):
    detector = SquareDetector()
    assert search_scales(detector.detect, photo(*shape)) == []
    assert all(min(searched) >= 1 and max(searched) <= LARGE_SIDE for searched in detector.searched)


def test_the_photo_is_left_alone():
    image = photo(600, 700, (100, 100, 100, 240))
    before = image.copy()
    image.flags.writeable = False
    assert len(search_scales(SquareDetector().detect, image)) == 1
    np.testing.assert_array_equal(image, before)

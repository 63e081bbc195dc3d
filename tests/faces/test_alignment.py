from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from asianage.faces import alignment
from asianage.faces.alignment import (
    BOX_SCALE,
    BOX_SHIFT,
    TEMPLATE,
    cut_crop,
    similarity_from_box,
    similarity_from_face,
    similarity_from_landmarks,
    similarity_from_whole_image,
)

SIZE = 96


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ramp(height: int, width: int) -> np.ndarray:
    """Three linear functions of the position, so that the value at any position is known."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([ramp_value(x, y, channel, height, width) for channel in range(3)], axis=2).round().astype(np.uint8)


def ramp_value(x: np.ndarray, y: np.ndarray, channel: int, height: int, width: int) -> np.ndarray:
    across, down = x / width, y / height
    return 10 + 230 * (across, down, (across + 1 - down) / 2)[channel]


def similarity(side: float, angle: float, center: tuple[float, float]) -> np.ndarray:
    """The unit square turned by `angle` degrees, `side` pixels wide, around `center`."""
    cosine, sine = side * np.cos(np.radians(angle)), side * np.sin(np.radians(angle))
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, np.array(center) - linear @ [0.5, 0.5]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


# --- landmarks ---------------------------------------------------------------------------------------------------


def test_the_template_maps_to_itself():
    np.testing.assert_allclose(similarity_from_landmarks(TEMPLATE), np.eye(2, 3), atol=1e-12)
    np.testing.assert_allclose(similarity_from_landmarks(TEMPLATE * SIZE), np.eye(2, 3) * SIZE, atol=1e-9)


def test_the_template_is_symmetric_and_in_the_order_of_the_landmarks():
    left_eye, right_eye, nose, left_mouth, right_mouth = TEMPLATE
    assert left_eye[0] < 0.5 < right_eye[0]
    assert left_eye[1] == right_eye[1] < nose[1] < left_mouth[1] == right_mouth[1]
    assert left_mouth[0] < nose[0] == 0.5 < right_mouth[0]
    np.testing.assert_allclose(left_eye[0] + right_eye[0], 1.0)
    np.testing.assert_allclose(left_mouth[0] + right_mouth[0], 1.0)


@pytest.mark.parametrize("angle", [0, 10, 45, 90, 135, 180, -30, -170])
@pytest.mark.parametrize("side", [3.0, 40.0, 96.0, 5000.0])
def test_a_known_similarity_is_recovered(side, angle):
    expected = similarity(side, angle, (123.4, -56.7))
    np.testing.assert_allclose(similarity_from_landmarks(apply(expected, TEMPLATE)), expected, atol=1e-9 * side + 1e-9)


def test_the_fit_is_the_one_of_least_squares():
    random = np.random.default_rng(0)
    for _ in range(50):
        points = apply(similarity(100, random.uniform(-180, 180), (300, 200)), TEMPLATE) + random.normal(0, 5, (5, 2))
        # x = a u - b v + p and y = b u + a v + q, solved in general.
        u, v = TEMPLATE.T
        one, zero = np.ones(5), np.zeros(5)
        rows = np.vstack([np.column_stack([u, -v, one, zero]), np.column_stack([v, u, zero, one])])
        a, b, p, q = np.linalg.lstsq(rows, points.T.ravel(), rcond=None)[0]
        np.testing.assert_allclose(similarity_from_landmarks(points), [[a, -b, p], [b, a, q]], atol=1e-8)


def test_mirrored_landmarks_are_not_answered_with_a_reflection():
    matrix = similarity_from_landmarks(TEMPLATE * [-100, 100])
    assert np.linalg.det(matrix[:, :2]) > 0


def test_integer_and_half_precision_landmarks_are_taken():
    points = (TEMPLATE * 200).round()
    expected = similarity_from_landmarks(points)
    for kind in (np.int32, np.float16, np.float32):
        np.testing.assert_allclose(similarity_from_landmarks(points.astype(kind)), expected)
    np.testing.assert_allclose(similarity_from_landmarks(points.tolist()), expected)


@pytest.mark.parametrize(
    "landmarks",
    [
        np.zeros((4, 2)),
        np.zeros((5, 3)),
        np.zeros(10),
        np.where(np.arange(10).reshape(5, 2) == 3, np.nan, TEMPLATE),
        np.where(np.arange(10).reshape(5, 2) == 3, np.inf, TEMPLATE),
    ],
)
def test_landmarks_of_another_form_are_refused(landmarks):
    with pytest.raises(ValueError, match=r"shape \(5, 2\)\. Received"):
        similarity_from_landmarks(landmarks)


def test_landmarks_that_coincide_are_refused():
    with pytest.raises(ValueError, match="coincide"):
        similarity_from_landmarks(np.full((5, 2), 7.0))


# --- boxes and whole images --------------------------------------------------------------------------------------


def test_a_box_gives_an_upright_square_around_it():
    side = BOX_SCALE * np.sqrt(80 * 125)
    matrix = similarity_from_box((100.0, 50.0, 180.0, 175.0))
    np.testing.assert_allclose(matrix[:, :2], [[side, 0], [0, side]])
    np.testing.assert_allclose(apply(matrix, np.array([[0.5, 0.5]])), [[140.0, 112.5 + BOX_SHIFT * side]])


def test_the_square_follows_its_box():
    box = np.array([100.0, 50.0, 180.0, 175.0])
    matrix = similarity_from_box(tuple(box))
    moved = similarity_from_box(tuple(np.add(box, [30, -20, 30, -20])))
    np.testing.assert_allclose(moved - matrix, [[0, 0, 30], [0, 0, -20]], atol=1e-9)
    np.testing.assert_allclose(similarity_from_box(tuple(box * 3)), matrix * 3)
    np.testing.assert_allclose(similarity_from_box(tuple(box.astype(np.float32))), matrix, rtol=1e-6)


@pytest.mark.parametrize(
    "box",
    [
        (10.0, 10.0, 10.0, 50.0),
        (10.0, 10.0, 50.0, 10.0),
        (50.0, 50.0, 10.0, 10.0),
        (10.0, 10.0, np.nan, 50.0),
        (np.nan, 10.0, 50.0, 50.0),
        (10.0, 10.0, np.inf, 50.0),
        (-np.inf, 10.0, 20.0, 50.0),
    ],
)
def test_empty_and_endless_boxes_are_refused(box):
    with pytest.raises(ValueError, match=r"positive area\. Received"):
        similarity_from_box(box)


def test_landmarks_go_before_the_box():
    box = (10.0, 20.0, 60.0, 80.0)
    landmarks = TEMPLATE * 300 + 7
    np.testing.assert_array_equal(similarity_from_face(box, landmarks), similarity_from_landmarks(landmarks))
    np.testing.assert_array_equal(similarity_from_face(box, None), similarity_from_box(box))


@pytest.mark.parametrize(("height", "width"), [(96, 96), (50, 120), (120, 50)])
def test_a_whole_image_lies_centered_in_its_square(height, width):
    corners = apply(similarity_from_whole_image(height, width), np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert corners[1] - corners[0] == pytest.approx([120.0, 120.0] if height != width else [96.0, 96.0])
    np.testing.assert_allclose(corners.mean(axis=0), [width / 2, height / 2])


# --- crops -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 95, 96, 224])
def test_an_image_of_the_size_of_the_crop_is_returned_as_it_is(size):
    image = noise(size, size)
    np.testing.assert_array_equal(cut_crop(image, similarity_from_whole_image(size, size), size), image)


def test_an_unscaled_crop_on_whole_pixels_is_a_slice():
    image = noise(300, 400)
    matrix = np.array([[SIZE, 0.0, 120.0], [0.0, SIZE, 37.0]])
    np.testing.assert_array_equal(cut_crop(image, matrix, SIZE), image[37 : 37 + SIZE, 120 : 120 + SIZE])
    with_margin = cut_crop(image, matrix, SIZE, margin=10)
    np.testing.assert_array_equal(with_margin, image[27 : 47 + SIZE, 110 : 130 + SIZE])


def test_a_quarter_turn_of_the_face_is_turned_back():
    image = noise(SIZE, SIZE)
    turned = np.ascontiguousarray(np.rot90(image))
    # The crop's u axis runs upwards in the turned picture, its v axis to the right.
    matrix = np.array([[0.0, SIZE, 0.0], [-SIZE, 0.0, SIZE]])
    np.testing.assert_array_equal(cut_crop(turned, matrix, SIZE), image)


@pytest.mark.parametrize("side", [20.0, 60.0, 96.0, 130.0, 191.0, 192.0, 300.0, 700.0])
@pytest.mark.parametrize("angle", [0.0, 17.0, -80.0, 180.0])
def test_every_pixel_shows_its_place_in_the_image(side, angle):
    height, width = 1100, 1300
    image = ramp(height, width)
    matrix = similarity(side, angle, (640.3, 555.7))
    crop = cut_crop(image, matrix, SIZE).astype(float)
    grid = (np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1) + 0.5) / SIZE
    x, y = np.moveaxis(apply(matrix, grid.reshape(-1, 2)).reshape(SIZE, SIZE, 2), -1, 0)
    for channel in range(3):
        expected = ramp_value(x, y, channel, height, width)
        np.testing.assert_allclose(crop[:, :, channel], expected, atol=1.3)
        # Rounding errors cancel; a shift by half a pixel of the image would not, nor half a pixel of the crop.
        slope = 230 / width * max(1.0, side / SIZE)
        assert abs(float((crop[:, :, channel] - expected).mean())) < 0.15 + 0.2 * slope


def test_landmarks_come_to_lie_on_the_template():
    matrix = similarity(250.0, 25.0, (330.0, 310.0))
    landmarks = apply(matrix, TEMPLATE)
    image = np.zeros((640, 680, 3), np.uint8)
    y, x = np.mgrid[:640, :680] + 0.5
    for channel, index in ((0, 0), (1, 2), (2, 4)):
        image[np.hypot(x - landmarks[index, 0], y - landmarks[index, 1]) < 12, channel] = 255
    crop = cut_crop(image, similarity_from_landmarks(landmarks), SIZE).astype(float)
    v, u = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE
    for channel, index in ((0, 0), (1, 2), (2, 4)):
        weight = crop[:, :, channel] / crop[:, :, channel].sum()
        np.testing.assert_allclose([(u * weight).sum(), (v * weight).sum()], TEMPLATE[index], atol=0.003)


def random_similarities(height: int, width: int, count: int, seed: int) -> list[np.ndarray]:
    """Faces of all sizes, from 8 pixels to 12 pixels of the image per pixel of the crop, half of them reaching out."""
    random = np.random.default_rng(seed)
    return [
        similarity(
            float(np.exp(random.uniform(np.log(8), np.log(12.9 * SIZE)))),
            float(random.uniform(-180, 180) if random.random() < 0.7 else random.choice([0, 90, 180])),
            (float(random.uniform(-0.1, 1.1) * width), float(random.uniform(-0.1, 1.1) * height)),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(("height", "width"), [(96, 96), (50, 900), (480, 640), (1501, 2003), (3024, 4032), (17, 16)])
def test_a_crop_with_a_margin_holds_the_crop_without_it_bit_for_bit(height, width):
    image = noise(height, width, seed=1)
    margins = (1, 7, 16, 41)
    for number, matrix in enumerate(random_similarities(height, width, 40, seed=height)):
        margin = margins[number % len(margins)]
        crop = cut_crop(image, matrix, SIZE)
        wide = cut_crop(image, matrix, SIZE, margin=margin)
        assert wide.shape == (SIZE + 2 * margin, SIZE + 2 * margin, 3)
        np.testing.assert_array_equal(wide[margin:-margin, margin:-margin], crop)


@pytest.mark.parametrize("shrink", range(1, 13))
def test_the_margin_changes_nothing_at_any_shrink_factor(shrink):
    image = noise(1300, 1700, seed=shrink)
    for angle, fraction in [(0.0, 0.0), (0.0, 0.37), (12.3, 0.0), (90.0, 0.99), (-45.0, 0.5)]:
        matrix = similarity((shrink + fraction) * SIZE, angle, (900.2, 600.9))
        wide = cut_crop(image, matrix, SIZE, margin=12)
        np.testing.assert_array_equal(wide[12:-12, 12:-12], cut_crop(image, matrix, SIZE))


def test_a_crop_does_not_depend_on_where_in_the_photo_the_face_is():
    face = noise(400, 400, seed=5)
    big = np.zeros((2400, 5000, 3), np.uint8)
    for top, left in [(0, 0), (96, 180), (1800, 4560)]:
        big[top : top + 400, left : left + 400] = face
        # All positions are multiples of the shrink factors 1, 2 and 3, so that the blocks are the same.
        for side in (70.0, 130.0, 200.0, 300.0):
            here = similarity(side, 20.0, (left + 200.0, top + 200.0))
            alone = similarity(side, 20.0, (200.0, 200.0))
            np.testing.assert_array_equal(cut_crop(big, here, SIZE), cut_crop(face, alone, SIZE))


def test_beyond_the_image_its_edge_is_repeated():
    image = noise(100, 100)
    image[:, 0] = (10, 20, 30)
    crop = cut_crop(image, np.array([[SIZE, 0.0, -50.0], [0.0, SIZE, 0.0]]), SIZE)
    assert (crop[:, :50] == (10, 20, 30)).all()
    np.testing.assert_array_equal(crop[:, 50:], image[:SIZE, : SIZE - 50])


@pytest.mark.parametrize("center", [(-5000.0, 50.0), (50.0, -5000.0), (9000.0, 9000.0), (-1e6, 2e6)])
@pytest.mark.parametrize("side", [10.0, 96.0, 500.0])
def test_a_face_outside_the_image_shows_its_edge(side, center):
    image = np.full((100, 120, 3), (1, 200, 77), np.uint8)
    assert (cut_crop(image, similarity(side, 30.0, center), SIZE, margin=8) == (1, 200, 77)).all()


@pytest.mark.parametrize("side", [1e5, 1e9, 1e30])
@pytest.mark.parametrize("center", [0.0, -1e9, 1e30])
def test_a_face_far_larger_than_the_image_shows_its_mean_or_its_edge(side, center):
    image = np.full((100, 120, 3), (1, 200, 77), np.uint8)
    crop = cut_crop(image, similarity(side, 0.0, (center, center)), SIZE)
    np.testing.assert_allclose(crop.reshape(-1, 3), np.full((SIZE * SIZE, 3), (1, 200, 77)), atol=1)


@pytest.mark.parametrize("side", [30.0, 70.0, 95.0, 96.0])
def test_an_enlarged_face_is_interpolated_between_the_four_neighbors(side):
    image = np.asarray(Image.fromarray(noise(40, 60)).resize((240, 160), Image.Resampling.BICUBIC))
    matrix = similarity(side, 27.0, (118.4, 83.9))
    grid = (np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1) + 0.5) / SIZE
    position = apply(matrix, grid.reshape(-1, 2)) - 0.5
    left, top = np.floor(position).astype(int).T
    across, down = np.modf(position)[0].T[..., None]
    upper = image[top, left] * (1 - across) + image[top, left + 1] * across
    lower = image[top + 1, left] * (1 - across) + image[top + 1, left + 1] * across
    difference = cut_crop(image, matrix, SIZE).reshape(-1, 3) - (upper * (1 - down) + lower * down)
    # Half a level of rounding, and a 128th of a pixel along both axes.
    assert np.abs(difference).max() < 1.5
    assert abs(difference.mean()) < 0.01


@pytest.mark.parametrize(("height", "width"), [(2, 2), (3, 3), (7, 1), (1, 7), (256, 256)])
@pytest.mark.parametrize("white", [False, True])
def test_blocks_are_averaged_to_the_nearest_level(height, width, white):
    image = np.full((2 * height, 3 * width, 3), 255, np.uint8) if white else noise(2 * height, 3 * width)
    expected = np.floor(image.reshape(2, height, 3, width, 3).mean(axis=(1, 3)) + 0.5)
    np.testing.assert_array_equal(alignment._block_means(image, height, width), expected)


@pytest.mark.parametrize("factor", [2.0, 2.5, 3.0, 3.7, 5.0, 8.2])
@pytest.mark.parametrize("angle", [0.0, 31.0])
def test_a_fine_checkerboard_becomes_gray(factor, angle):
    checkerboard = (np.indices((1400, 1400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(checkerboard[:, :, None], 3, axis=2)
    crop = cut_crop(image, similarity(factor * SIZE, angle, (700.0, 700.0)), SIZE).astype(float)
    assert abs(crop.mean() - 127.5) < 2.0
    assert crop.std() < 12.0


@pytest.mark.parametrize("factor", [1.2, 1.5, 1.7, 1.9, 1.99])
@pytest.mark.parametrize("angle", [0.0, 31.0])
def test_a_fine_checkerboard_becomes_nearly_gray_below_the_first_shrink_factor(factor, angle):
    checkerboard = (np.indices((300, 300)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(checkerboard[:, :, None], 3, axis=2)
    crop = cut_crop(image, similarity(factor * SIZE, angle, (150.0, 150.0)), SIZE).astype(float)
    # One bilinear sample a pixel would leave 31 to 47 of the checkerboard's own 127.5.
    assert crop.std() < 22.0


def test_shrinking_keeps_the_mean():
    image = noise(960, 960, seed=9)
    for side in (100, 144, 192, 480, 959, 960):
        crop = cut_crop(image, similarity(side, 0.0, (480.0, 480.0)), SIZE)
        half = side // 2
        assert crop.mean() == pytest.approx(image[480 - half : 480 + half, 480 - half : 480 + half].mean(), abs=1.5)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 4000), (4000, 16), (1, 1), (30_000, 16)])
def test_images_of_extreme_shapes_are_cut(height, width):
    image = np.full((height, width, 3), 90, np.uint8)
    crop = cut_crop(image, similarity_from_whole_image(height, width), SIZE, margin=4)
    assert crop.shape == (SIZE + 8, SIZE + 8, 3)
    assert (crop == 90).all()


def test_the_layout_in_memory_does_not_matter_and_the_image_is_left_alone():
    image = noise(200, 300)
    before = image.copy()
    matrix = similarity(250.0, 10.0, (150.0, 100.0))
    expected = cut_crop(image, matrix, SIZE)
    reversed_twice = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    assert not reversed_twice.flags.c_contiguous
    np.testing.assert_array_equal(cut_crop(reversed_twice, matrix, SIZE), expected)
    image.flags.writeable = False
    np.testing.assert_array_equal(cut_crop(image, matrix, SIZE), expected)
    np.testing.assert_array_equal(image, before)
    assert expected.dtype == np.uint8
    assert expected.flags.c_contiguous

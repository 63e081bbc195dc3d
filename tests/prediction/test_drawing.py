from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import Detection, ImageError, draw_faces
from asianage.models.ages import AgeAxis
from asianage.prediction.drawing import label
from asianage.prediction.face_prediction import COLORS, FacePrediction


def face(box, gender="female") -> FacePrediction:
    return FacePrediction(
        age=31.4,
        age_interval=(24.2, 39.9),
        interval_coverage=0.9,
        age_distribution=np.full(101, 1 / 101, dtype=np.float32),
        age_axis=AgeAxis(),
        gender=gender,
        gender_probability=0.973,
        box=box,
        landmarks=None,
        detector="fake",
        detection_score=0.9,
    )


def colored(picture: Image.Image, color: str) -> np.ndarray:
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    return (np.asarray(picture).astype(int) == rgb).all(axis=2)


def test_the_label_states_age_interval_gender_and_certainty():
    assert label(face((0, 0, 1, 1))) == "31 (24-40) female 97%"


@pytest.mark.parametrize(
    ("unknown", "text"),
    [
        ({"age": None, "age_interval": None, "age_distribution": None}, "female 97%"),
        ({"gender": None, "gender_probability": None}, "31 (24-40)"),
    ],
)
def test_what_the_model_did_not_learn_is_not_drawn(unknown, text):
    person = face((100, 60, 180, 160)).replace(**unknown)
    assert label(person) == text
    picture = draw_faces(np.full((200, 300, 3), 128, dtype=np.uint8), [person])
    assert colored(picture, COLORS[person.gender]).any()


def test_a_label_of_ones_own_is_drawn_instead():
    photo = np.full((200, 300, 3), 128, dtype=np.uint8)
    people = [face((100, 60, 180, 160))]
    drawn = [np.asarray(draw_faces(photo, people, labels=labels)) for labels in (None, [label(people[0])], ["7"])]
    assert (drawn[0] == drawn[1]).all()
    assert (
        colored(Image.fromarray(drawn[2]), COLORS["female"]).sum()
        < 0.5 * colored(Image.fromarray(drawn[0]), COLORS["female"]).sum()
    )


def test_drawing_leaves_the_photo_unchanged_and_keeps_its_size():
    photo = np.full((200, 300, 3), 128, dtype=np.uint8)
    picture = draw_faces(photo, [face((100, 60, 180, 160))])
    assert picture.mode == "RGB"
    assert picture.size == (300, 200)
    assert (photo == 128).all()


def test_the_box_is_where_the_face_is_in_the_color_of_its_gender():
    photo = np.full((200, 300, 3), 128, dtype=np.uint8)
    mask = colored(draw_faces(photo, [face((100, 60, 180, 160), "male")]), COLORS["male"])
    assert mask[70:150, 100].all()
    assert mask[70:150, 180].all()
    assert mask[160, 110:170].all()
    assert not mask[100:140, 120:160].any()


@pytest.mark.parametrize("side", [40, 120, 400, 3000])
def test_a_label_is_inside_the_photo_at_any_size(side):
    photo = np.full((side, side, 3), 128, dtype=np.uint8)
    box = (-0.1 * side, 0.0, 0.3 * side, 0.4 * side)
    mask = colored(draw_faces(photo, [face(box)]), COLORS["female"])
    rows = np.flatnonzero(mask.sum(axis=1) > 0.3 * side)
    assert len(rows) >= min(8, 0.02 * side)


def test_labels_of_neighbours_do_not_cover_each_other():
    photo = np.full((400, 400, 3), 128, dtype=np.uint8)
    left, right = face((100, 200, 190, 300), "female"), face((195, 200, 285, 300), "male")
    both = draw_faces(photo, [left, right])
    alone = draw_faces(photo, [left])
    label_of_left = colored(alone, COLORS["female"])
    assert colored(both, COLORS["female"])[label_of_left].mean() > 0.99


def test_no_faces_means_no_marks():
    photo = np.full((50, 50, 3), 9, dtype=np.uint8)
    assert (np.asarray(draw_faces(photo, [])) == 9).all()


def test_the_size_that_was_accepted_for_the_prediction_can_be_accepted_here():
    image = np.zeros((40, 50, 3), np.uint8)
    with pytest.raises(ImageError, match="max_pixels=1999"):
        draw_faces(image, [], max_pixels=1999)
    assert draw_faces(image, [], max_pixels=2000).size == (50, 40)


PHOTO = np.full((200, 300, 3), 128, dtype=np.uint8)
PERSON = face((100, 60, 180, 160))


def test_arrays_of_opencv_keep_their_colors():
    blue = np.zeros((60, 60, 3), dtype=np.uint8)
    blue[..., 0] = 255
    assert draw_faces(blue, [], channels="bgr").getpixel((9, 9)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("faces", "labels", "error", "text"),
    [
        (PERSON, None, TypeError, r"Received: one prediction\. Pass \[face\]"),
        ([Detection((1, 2, 30, 40))], None, TypeError, r"list of Detection\. .*`predict\(image, faces=\.\.\.\)`"),
        ([[PERSON]], None, TypeError, "`predict` returns for one image. Received: a list of list"),
        ([PERSON], ["a\nb"], ValueError, "one line each"),
        ([PERSON], ["a", "b"], ValueError, "Received: 2 for 1 faces"),
        ([PERSON], [], ValueError, "Received: 0 for 1 faces"),
        ([PERSON], "a", TypeError, "list of texts"),
        ([PERSON], [7], TypeError, "list of texts"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before(faces, labels, error, text):
    with pytest.raises(error, match=text):
        draw_faces(PHOTO, faces, labels=labels)


def test_a_label_may_be_empty():
    assert draw_faces(PHOTO, [PERSON], labels=[""]).size == (300, 200)


def test_a_font_of_ones_own_is_taken(tmp_path):
    fonts = pytest.importorskip("matplotlib.font_manager", reason="needs matplotlib's fonts")
    path = Path(fonts.findfont("DejaVu Serif"))
    default = np.asarray(draw_faces(PHOTO, [PERSON]))
    for font in (path, str(path)):
        assert (np.asarray(draw_faces(PHOTO, [PERSON], font=font)) != default).any()
    (tmp_path / "no.ttf").write_text("no font")
    for font in (tmp_path / "no.ttf", tmp_path / "missing.ttf"):
        with pytest.raises(OSError, match="`font` must be the path of a TrueType"):
            draw_faces(PHOTO, [PERSON], font=font)

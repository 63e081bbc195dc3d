from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from asianage.apps.face_cards import IN_WORDS, age_chart, message_section, photo_section
from asianage.faces.quality import FaceQuality
from tests.apps.faces import face

PHOTO = np.full((400, 800, 3), 128, dtype=np.uint8)


class Balance(HTMLParser):
    """Notes which elements are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def text_of(page: str) -> str:
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    return re.sub(r"<[^>]*>", " ", page)


def test_each_face_has_a_box_a_card_a_chart_and_its_figures():
    large = face(age=31.4, male=0.03, box=(200.0, 100.0, 400.0, 300.0))
    small = face(age=60.0, male=0.87, box=(600.0, 100.0, 700.0, 200.0), warnings=("dark", "cut off"))
    page = photo_section(PHOTO, [large, small])
    text = text_of(page)
    assert page.count("<article") == page.count("<svg") == page.count('class="box') == 2
    assert "left: 25.00%; top: 25.00%; width: 25.00%; height: 50.00%" in page
    assert "the photo with 2 faces" in page
    for figure in ("31 years", "23 to 39 (90 % interval)", "female, 97 % sure", "60 years", "male, 87 % sure"):
        assert figure in text
    assert "The face is dark." in text
    assert "The picture ends within the face." in text


def test_a_probability_that_rounds_to_one_is_not_certainty():
    assert "male, over 99 % sure" in photo_section(PHOTO, [face(male=0.9999)])


def test_the_pictures_are_within_the_page_and_not_too_large():
    page = photo_section(np.full((1000, 4000, 3), 128, dtype=np.uint8), [face(box=(-20.0, -20.0, 30.0, 40.0))])
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^\"]+)", page)]
    assert [picture.size for picture in pictures] == [(1600, 400), (44, 49)]
    assert "http" not in page
    assert 'class="box male top"' in page


def test_the_chart_peaks_at_the_likeliest_age_and_marks_interval_and_mean():
    chart = age_chart(face(age=50.0))
    points = [tuple(map(float, point.split(","))) for point in re.search(r'points="([^"]+)"', chart)[1].split()]
    assert len(points) == 103
    assert min(points[1:-1], key=lambda point: point[1]) == (150.0, 0.0)
    assert 'class="estimate" x1="150.0" x2="150.0"' in chart
    low, width = (
        float(value) for value in re.search(r'class="range" x="([\d.]+)" y="0" width="([\d.]+)"', chart).groups()
    )
    assert (low / 3, (low + width) / 3) == pytest.approx((42.0, 58.0), abs=0.1)
    assert re.findall(r">(\d+)</text>", chart) == ["0", "20", "40", "60", "80", "100"]


def test_what_a_model_did_not_learn_is_left_out():
    ageless = face(male=0.7).replace(age=None, age_interval=None, age_distribution=None)
    page = photo_section(PHOTO, [ageless])
    assert "years" not in page
    assert "<svg" not in page
    assert "male, 70 % sure" in page
    assert " sure" not in photo_section(PHOTO, [face().replace(gender=None, gender_probability=None)])


def test_every_warning_has_a_sentence():
    worst = FaceQuality(size=1.0, brightness=1.0, overexposure=1.0, sharpness=0.0, turn=1.0).warnings
    assert {*worst, "no face", "cut off"} <= set(IN_WORDS)


def test_a_message_is_text():
    assert "&lt;script&gt;" in message_section("<script>")
    assert "wrong" in message_section("no", wrong=True)
    assert "wrong" not in message_section("no")

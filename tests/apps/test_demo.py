from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asianage import AgeGenderEstimator, MissingExtraError
from asianage.apps.demo import NO_FACE, NO_IMAGE, Demo, make_page, result_section

CLEAR = '#photo button[aria-label="Remove Image"], #photo button[aria-label="Clear"], #photo button[title="Clear"]'


@pytest.fixture(scope="module")
def estimator() -> AgeGenderEstimator:
    return AgeGenderEstimator()


@pytest.fixture(scope="module")
def photos(hopper, tmp_path_factory) -> Path:
    """A photo of a face, one of three faces, one without a face, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("photos")
    photo = Image.fromarray(hopper)
    photo.save(folder / "face.jpg")
    group = Image.new("RGB", (1000, 400), (90, 90, 90))
    for number in range(3):
        group.paste(photo.resize((300, 350)), (20 + 325 * number, 25))
    group.save(folder / "group.jpg")
    Image.new("RGB", (300, 200), (90, 120, 90)).save(folder / "no_face.png")
    (folder / "broken.jpg").write_text("no photo")
    return folder


def test_a_photo_gives_a_card_per_face(estimator, photos):
    page = result_section(estimator, str(photos / "face.jpg"))
    (face,) = estimator.predict(photos / "face.jpg")
    assert page.count("<article") == 1
    assert f"{face.age:.0f} years" in page
    assert result_section(estimator, str(photos / "group.jpg")).count("<article") == 3


def test_no_photo_no_face_and_a_broken_file_are_told_apart(estimator, photos):
    assert NO_IMAGE in result_section(estimator, None)
    assert NO_FACE in result_section(estimator, str(photos / "no_face.png"))
    broken = result_section(estimator, str(photos / "broken.jpg"))
    assert "This photo cannot be read." in broken
    assert str(photos) not in broken


def test_a_missing_extra_is_named(estimator, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError, match=r'pip install "asianage\[demo\]"'):
        make_page(estimator)


@pytest.mark.browser
def test_a_visitor_gets_results_and_nothing_leaves_the_computer(estimator, photos, monkeypatch):
    pytest.importorskip("gradio", reason="needs the extra demo")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    monkeypatch.setenv("GRADIO_TEMP_DIR", "changed by the demo")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "changed by the demo")
    with Demo(estimator) as demo, playwright.sync_playwright() as driver:
        folder = Path(demo.folder)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme, width in (("light", 1280), ("dark", 390)):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 844})
            page.set_default_timeout(60_000)
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(demo.address)
            page.wait_for_selector("#result .message")
            assert NO_IMAGE in page.inner_text("#result")
            page.set_input_files("#photo input[type=file]", photos / "group.jpg")
            page.wait_for_selector("#result article >> nth=2")
            # Nothing sticks out of a phone.
            assert page.evaluate("document.documentElement.scrollWidth") == width
            boxes = page.locator("#result .box")
            assert boxes.count() == 3
            shown = page.locator("#result .photo").bounding_box()
            for box in (boxes.nth(number).bounding_box() for number in range(3)):
                assert shown["x"] <= box["x"]
                assert box["x"] + box["width"] <= shown["x"] + shown["width"]
            dark = np.mean([int(part) for part in _color(page, "body")]) < 128
            assert dark == (scheme == "dark")
            page.click(CLEAR)
            page.wait_for_selector("#result .message")
            page.set_input_files("#photo input[type=file]", photos / "no_face.png")
            page.wait_for_selector("#result .wrong")
            assert NO_FACE in page.inner_text("#result")
            page.click(CLEAR)
            page.wait_for_selector("#result .message:not(.wrong)")
            page.set_input_files("#photo input[type=file]", photos / "broken.jpg")
            page.wait_for_selector("#result .wrong")
            assert "This photo cannot be read" in page.inner_text("#result")
            elsewhere = [url for url in asked if not url.startswith((demo.address, "data:", "blob:"))]
            assert elsewhere == []
            page.close()
        browser.close()
        assert list(folder.rglob("group.jpg"))
    assert not folder.exists()


def _color(page, selector: str) -> list[str]:
    color = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).backgroundColor")
    return color.partition("(")[2].rstrip(")").split(",")[:3]


def test_the_page_is_served_until_it_is_closed_and_uploads_are_deleted(estimator, photos, monkeypatch):
    pytest.importorskip("gradio", reason="needs the extra demo")
    monkeypatch.setenv("GRADIO_TEMP_DIR", "changed by the demo")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "changed by the demo")
    with Demo(estimator) as demo:
        assert demo.address.startswith("http://127.0.0.1:")
        import httpx

        with (photos / "face.jpg").open("rb") as file:
            answer = httpx.post(f"{demo.address}gradio_api/upload", files={"files": file})
        (uploaded,) = map(Path, answer.json())
        assert uploaded.is_relative_to(demo.folder)
        config = httpx.get(f"{demo.address}config").json()
        assert config["analytics_enabled"] is False
        assert "googleapis" not in httpx.get(demo.address).text
    assert not uploaded.exists()

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sybil", reason="needs the extra test")

from asianage import MissingExtraError
from tests.apps.videos import write_video
from tests.conftest import draw_face
from tests.docs.blocks import PAGES, ROOT, parse
from tests.docs.command import centered_faces

TEXTS = [*PAGES, *(ROOT / name for name in ("CHANGELOG.md", "SECURITY.md"))]
IMAGES = ROOT / "docs" / "images"


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> None:
    """Work in a folder with the files that the pages name, made from drawn faces."""
    monkeypatch.chdir(tmp_path)
    rows = [["file", "dataset", "split", "age", "gender"]]
    names = []
    for number in range(12):
        age, gender, split = 20 + number, ("female", "male")[number % 2], ("train", "val", "test")[number % 3]
        rows.append([f"photos/{number}.jpg", "mine", split, age, gender])
        names.append(f"{age}/{112 - number % 2}/{number}-0.jpg")
        for file in (Path("photos", f"{number}.jpg"), Path("AFAD-Full", names[-1])):
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw_face(age, gender, number)).save(file)
    for name in ("faces.csv", "my_faces.csv", "other_faces.csv"):
        Path(name).write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    Path("AFAD-Full.txt").write_text("".join(f"./{name}\n" for name in names))
    for name in ("photo.jpg", "group.jpg", "face.png", "face1.png", "face2.png"):
        Image.fromarray(draw_face(30, "female", 0, side=160)).save(name)
    Path("movie.mp4").touch()
    if importlib.util.find_spec("av"):
        write_video(Path("movie.mp4"), [draw_face(30, "female", seed, side=160) for seed in range(4)])
    for number in range(110):
        file = Path("studio_faces", f"{number:04d}_{20 + number % 30}_{'FM'[number % 2]}.jpg")
        file.parent.mkdir(exist_ok=True)
        if number < 12:
            Image.fromarray(draw_face(20 + number, ("female", "male")[number % 2], number)).save(file)
        else:
            # Other pictures under the same pixels would be left out as contradictory.
            Image.fromarray(np.full((32, 32, 3), number, dtype=np.uint8)).save(file)
    Path("examples").symlink_to(ROOT / "examples")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
@pytest.mark.usefixtures("workplace")
def test_code_blocks_run(page, subtests):
    missing = ""
    with centered_faces():
        for block in parse(page):
            with subtests.test(line=block.line):
                try:
                    # Later blocks of a page need the names of earlier ones.
                    missing or block.evaluate()
                except (MissingExtraError, ModuleNotFoundError) as error:
                    if (error.name or "").startswith("asianage"):
                        raise
                    missing = str(error)
                if missing:
                    pytest.skip(missing)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= 700


def test_the_readme_prints_what_it_says(hopper):
    from asianage import AgeGenderEstimator

    printed = repr(AgeGenderEstimator().predict(hopper))
    assert f"\n{printed}\n" in (ROOT / "README.md").read_text("utf-8")


def test_the_pages_show_the_figures_of_the_bundled_models():
    pytest.importorskip("matplotlib", reason="needs the extra train")
    from tests.docs.renew import TEXTS, renewed

    for page in PAGES:
        text = page.read_text("utf-8")
        assert renewed(text, frozenset(TEXTS) - {"gallery"}) == text, f"{page}: run python -m tests.docs.renew"


def test_the_pictures_are_what_the_package_draws(hopper):
    from asianage import AgeGenderEstimator, load_image
    from tests.docs.pictures import QUALITY, drawn_pictures

    gallery = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    drawn = list(drawn_pictures(AgeGenderEstimator()))
    assert len(drawn) >= 7  # Two more need scikit-image.
    for name, title, caption, picture in drawn:
        stored = io.BytesIO()
        picture.save(stored, "JPEG", quality=QUALITY)
        # Versions of JPEG's library differ a little; a box or a label elsewhere changes many pixels.
        assert np.abs(load_image(stored.getvalue()).astype(float) - load_image(IMAGES / name)).mean() < 1, name
        assert f"![{title}](images/{name})\n\n{caption}\n" in gallery, f"{name}: run python -m tests.docs.renew"


def test_pictures_are_small():
    assert all(path.stat().st_size < 110_000 for path in IMAGES.iterdir())


def test_every_extra_that_a_text_installs_is_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for path in TEXTS:
        for names in re.findall(r"(?:\.|asianage)\[([a-z,]+)\]", path.read_text("utf-8")):
            assert set(names.split(",")) <= set(extras), path


def test_every_module_and_script_that_a_text_names_is_there():
    scripts = {path.name for folder in ("asianage", "examples", "tests") for path in (ROOT / folder).rglob("*.py")}
    for path in TEXTS:
        text = path.read_text("utf-8")
        # Files of the reader's own are named my_something.py.
        assert set(re.findall(r"\b(?!my_)(\w+\.py)\b", text)) <= scripts, path
        for name in set(re.findall(r"\basianage(?:\.\w+)+", text)):
            assert _is_there(*name.split(".")), f"{path}: {name}"


def _is_there(*parts: str) -> bool:
    """Whether a dotted name is a module, or its module contains the next part."""
    for length in range(len(parts), 0, -1):
        module = ROOT.joinpath(*parts[:length])
        file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
        if file.is_file():
            return length == len(parts) or re.search(rf"\b{parts[length]}\b", file.read_text("utf-8")) is not None
    return False


def test_every_public_name_is_in_the_reference():
    text = "".join(page.read_text("utf-8") for page in (ROOT / "docs" / "reference").iterdir())
    documented = set(re.findall(r"\w+", " ".join(re.findall(r"^(?:::: |      members: ).*$", text, re.MULTILINE))))
    for room in ("", "data", "evaluation", "training", "training/recipes"):
        source = (ROOT / "asianage" / room / "__init__.py").read_text("utf-8")
        names = re.findall(r'"(\w+)"', source[source.index("__all__ = [") :].partition("]")[0])
        assert names
        assert set(names) <= documented, room


def test_every_recipe_that_a_text_trains_is_there():
    pytest.importorskip("keras", reason="needs the extra train")
    from asianage.training.recipe_names import HEADS, find_recipe
    from asianage.training.recipes import DETECTOR
    from asianage.training.study.baselines import BASELINES

    for path in TEXTS:
        for name in re.findall(r"\basianage train ([a-z][a-z-]*[a-z])(?![\w/.-])", path.read_text("utf-8")):
            assert name in {*BASELINES, DETECTOR.name, HEADS} or find_recipe(name).name == name


def test_every_page_is_linked_from_the_first():
    linked = set(re.findall(r"\]\(([\w/-]+\.md)", (ROOT / "docs" / "index.md").read_text("utf-8")))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert pages - {"index.md"} <= linked


def test_links_between_texts_lead_to_files_and_headings():
    for path in TEXTS:
        for file, anchor in re.findall(r"\]\((?!\w+://)([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text("utf-8")):
            target = path.parent / file if file else path
            assert target.exists(), f"{path}: {file}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in slugs, f"{path}: {file}#{anchor}"


def test_the_pages_build_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    pytest.importorskip("mkdocstrings", reason="needs the extra docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", ROOT / ".mkdocs.yml"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([*command, "-d", tmp_path], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    reference = (tmp_path / "reference" / "python" / "index.html").read_text("utf-8")
    assert "probability_at_least" in reference
    assert "arguments: Any" not in re.sub(r"<[^>]+>", "", reference)
    # What follows `Example:` instead of `Examples:` becomes a quotation.
    assert "<blockquote>" not in reference

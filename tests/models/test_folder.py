from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from asianage import ModelFormatError, files
from asianage.models import folder as model_folder
from asianage.models.config import FORMAT_VERSION, DetectorConfig, ModelConfig
from asianage.models.folder import (
    BUNDLED_DETECTOR,
    CARD,
    CONFIG,
    DETECTOR_NETWORK,
    LANDMARKS_NETWORK,
    MAX_CONFIG_BYTES,
    METRICS,
    NETWORK,
    WEIGHTS,
    DetectorFolder,
    ModelFolder,
    bundled_names,
    card_in,
    open_model_folder,
    require_detector,
    require_estimator,
    write_model_folder,
)

TINY = ModelConfig(name="tiny", architecture="residual", image_size=32, provenance={"seed": 3})
FILES = {NETWORK: b"network", WEIGHTS: b"weights"}


def written(folder: Path, **changes: Any) -> model_folder.ModelFolder:
    return write_model_folder(folder, dataclasses.replace(TINY, **changes), FILES, card="# Tiny\n")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


# --- round trips -------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path):
    model = written(tmp_path / "model")
    assert model.path == tmp_path / "model"
    assert sorted(content(model.path)) == [CARD, CONFIG, NETWORK, WEIGHTS]
    opened = open_model_folder(tmp_path / "model")
    assert opened == model
    assert opened.config == dataclasses.replace(
        TINY, files={name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    )
    for name, data in FILES.items():
        assert opened.read(name) == data
    assert (opened.path / CARD).read_text("utf-8") == "# Tiny\n"
    assert open_model_folder(str(tmp_path / "model")) == model


def test_the_bytes_that_were_hashed_are_the_bytes_that_are_returned(tmp_path, monkeypatch):
    model = written(tmp_path / "model")
    read_bytes = Path.read_bytes

    def exchanging(path):
        content = read_bytes(path)
        path.write_bytes(b"exchanged between two reads")
        return content

    monkeypatch.setattr(Path, "read_bytes", exchanging)
    assert model.read(NETWORK) == b"network"
    with pytest.raises(ModelFormatError, match="damaged or altered"):
        model.read(NETWORK)


def test_hashes_of_an_older_folder_are_not_carried_over(tmp_path):
    old = written(tmp_path / "old")
    model = write_model_folder(tmp_path / "new", old.config, {NETWORK: b"other"}, card="")
    assert list(model.config.files) == [NETWORK]
    assert model.read(NETWORK) == b"other"


# --- writing as a whole or not at all ----------------------------------------------------------------------------


class PowerCutError(Exception):
    pass


class Interrupting(dict):
    """Files of which the last cannot be had."""

    def items(self):
        yield from super().items()
        raise PowerCutError


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_interruption_leaves_nothing_new_and_everything_old(tmp_path, overwrite):
    if overwrite:
        written(tmp_path / "model")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(PowerCutError):
        write_model_folder(tmp_path / "model", TINY, Interrupting(FILES), card="", overwrite=overwrite)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == (["model"] if overwrite else [])


def test_a_failing_move_puts_the_old_model_back(tmp_path, monkeypatch):
    written(tmp_path / "model")
    before = content(tmp_path / "model")
    rename = Path.rename

    def failing_rename(self: Path, target: Path) -> Path:
        if Path(target).name == "model" and (self / CARD).read_text() == "new":
            raise PermissionError("in use")
        return rename(self, target)

    monkeypatch.setattr(files, "_exchanged", lambda first, second: False)
    monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises(PermissionError, match="in use"):
        write_model_folder(tmp_path / "model", TINY, {NETWORK: b"new"}, card="new", overwrite=True)
    assert content(tmp_path / "model") == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("name", ["../outside", "/outside", "sub/file", "", ".", "..", CONFIG, CARD])
def test_files_are_not_written_outside_or_over_the_folders_own(tmp_path, name):
    with pytest.raises(ValueError, match="plain names"):
        write_model_folder(tmp_path / "sub" / "model", TINY, {name: b"x"}, card="")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a:b", "a\\b"])
def test_names_that_other_systems_read_as_paths_are_refused(tmp_path, name):
    with pytest.raises(ModelFormatError, match="files"):
        write_model_folder(tmp_path / "model", TINY, {name: b"x"}, card="")
    assert list(tmp_path.iterdir()) == []


def test_a_written_folder_can_be_read_by_others(tmp_path):
    model = written(tmp_path / "model")
    assert model.path.stat().st_mode & 0o755 == 0o755


def test_parent_folders_are_made(tmp_path):
    assert open_model_folder(written(tmp_path / "a" / "b" / "model").path).config.name == "tiny"


# --- what may be overwritten -------------------------------------------------------------------------------------


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "model").mkdir()
    assert open_model_folder(written(tmp_path / "model").path).config.name == "tiny"


def test_the_current_folder_is_filled_when_it_is_empty(tmp_path, monkeypatch):
    place = tmp_path / "model"
    place.mkdir()
    monkeypatch.chdir(place)
    written(Path("."))
    assert open_model_folder(place).config.name == "tiny"


def test_a_model_is_only_replaced_when_told_so(tmp_path):
    written(tmp_path / "model")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        written(tmp_path / "model", name="other")
    assert open_model_folder(tmp_path / "model").config.name == "tiny"
    other = dataclasses.replace(TINY, name="other")
    write_model_folder(tmp_path / "model", other, {NETWORK: b"other"}, card="", overwrite=True)
    assert open_model_folder(tmp_path / "model").config.name == "other"
    assert sorted(content(tmp_path / "model")) == [CARD, CONFIG, NETWORK]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_model_is_never_replaced(tmp_path, overwrite):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "wedding.jpg").write_bytes(b"dear")
    (tmp_path / "letter").write_bytes(b"dear")
    for name in ("photos", "letter"):
        with pytest.raises(FileExistsError, match=name):
            write_model_folder(tmp_path / name, TINY, FILES, card="", overwrite=overwrite)
    assert (tmp_path / "photos" / "wedding.jpg").read_bytes() == (tmp_path / "letter").read_bytes() == b"dear"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("stranger", ["wedding.jpg", ".git/HEAD", "notes/today.txt"])
def test_a_model_with_something_else_beside_it_is_never_replaced(tmp_path, stranger):
    model = written(tmp_path / "model").path
    (model / stranger).parent.mkdir(exist_ok=True)
    (model / stranger).write_bytes(b"dear")
    before = content_below(tmp_path)
    with pytest.raises(FileExistsError, match=rf"holds {stranger.split('/')[0]}, which is no part of the model"):
        write_model_folder(model, TINY, FILES, card="", overwrite=True)
    assert content_below(tmp_path) == before


@pytest.mark.parametrize("config", ["{}", '{"files": {}}', "[1]", "port: 80", '{"model_type": "vit", "files": {}}', ""])
def test_the_config_of_another_program_makes_no_model_folder(tmp_path, config):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / CONFIG).write_text(config)
    with pytest.raises(FileExistsError, match=r"config\.json of something else"):
        write_model_folder(tmp_path / "project", TINY, FILES, card="", overwrite=True)
    assert (tmp_path / "project" / CONFIG).read_text() == config


def test_what_systems_leave_in_a_folder_does_not_keep_it(tmp_path):
    model = written(tmp_path / "model").path
    (model / ".DS_Store").write_bytes(b"")
    other = dataclasses.replace(TINY, name="other")
    assert write_model_folder(model, other, FILES, card="", overwrite=True).config.name == "other"


def content_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_linked_folder_is_replaced_behind_its_link(tmp_path):
    written(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    other = dataclasses.replace(TINY, name="other")
    write_model_folder(tmp_path / "link", other, FILES, card="", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert open_model_folder(tmp_path / "real").config.name == "other"


# --- broken folders ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"networK", b"network\n", b"\x00" * 10_000])
def test_an_altered_file_is_refused(tmp_path, data):
    model = written(tmp_path / "model")
    (model.path / NETWORK).write_bytes(data)
    with pytest.raises(ModelFormatError, match="damaged or altered"):
        open_model_folder(model.path).read(NETWORK)
    assert model.read(WEIGHTS) == b"weights"


def test_a_missing_file_is_refused(tmp_path):
    model = written(tmp_path / "model")
    (model.path / NETWORK).unlink()
    with pytest.raises(ModelFormatError, match="is missing"):
        model.read(NETWORK)
    (model.path / NETWORK).mkdir()
    with pytest.raises(ModelFormatError, match="is missing"):
        model.read(NETWORK)


@pytest.mark.parametrize("name", ["metrics.json", CARD, CONFIG, "../model/model.tflite", "", "model.TFLITE"])
def test_a_file_that_is_not_listed_is_refused(tmp_path, name):
    model = written(tmp_path / "model")
    (model.path / "metrics.json").write_text("{}")
    with pytest.raises(ModelFormatError, match="does not list it"):
        model.read(name)


def test_a_folder_that_is_not_there_is_named_with_the_bundled_models(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_model_folder(tmp_path / "nowhere")
    monkeypatch.setattr(model_folder, "BUNDLED", tmp_path / "none")
    assert bundled_names() == []
    written(tmp_path / "none" / "b")
    written(tmp_path / "none" / "a")
    written(tmp_path / "none" / BUNDLED_DETECTOR)
    (tmp_path / "none" / "notes").mkdir()
    assert bundled_names() == ["a", "b"]
    with pytest.raises(FileNotFoundError, match="Bundled models: a, b"):
        open_model_folder(tmp_path / "nowhere")


def test_a_folder_without_a_config_is_no_model(tmp_path):
    with pytest.raises(ModelFormatError, match=r"no config\.json"):
        open_model_folder(tmp_path)
    (tmp_path / CONFIG).mkdir()
    with pytest.raises(ModelFormatError, match=r"config\.json"):
        open_model_folder(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{}", b"not json", b"\xff\xfe\x00", b"\x80abc", b"[]", b"\xef\xbb\xbf{}"])
def test_a_config_that_is_none_is_refused_with_its_path(tmp_path, text):
    model = written(tmp_path / "model")
    (model.path / CONFIG).write_bytes(text)
    with pytest.raises(ModelFormatError, match=r"model.config\.json"):
        open_model_folder(model.path)


def test_a_huge_config_is_not_read(tmp_path):
    model = written(tmp_path / "model")
    with (model.path / CONFIG).open("r+b") as file:
        file.truncate(50 * MAX_CONFIG_BYTES)
    with pytest.raises(ModelFormatError, match="larger than"):
        open_model_folder(model.path)


def test_unknown_keys_and_newer_formats_are_refused(tmp_path):
    model = written(tmp_path / "model")
    change_config(model.path, color="red")
    with pytest.raises(ModelFormatError, match="color"):
        open_model_folder(model.path)
    change_config(model.path, format_version=FORMAT_VERSION + 1)
    with pytest.raises(ModelFormatError, match="pip install --upgrade asianage"):
        open_model_folder(model.path)


def test_a_config_cannot_name_a_file_elsewhere(tmp_path):
    model = written(tmp_path / "model")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    for name in ("../secret", str(secret), "..\\secret"):
        change_config(model.path, files={name: hashlib.sha256(b"secret").hexdigest()})
        with pytest.raises(ModelFormatError, match="files"):
            open_model_folder(model.path)


def test_figures_are_those_of_metrics_json_or_none(tmp_path):
    assert written(tmp_path / "without").metrics() == {}
    for text, figures in ((b'{"test": 1}', {"test": 1}), (b"[]", {})):
        model = write_model_folder(tmp_path / "model", TINY, {METRICS: text}, card="", overwrite=True)
        assert model.metrics() == figures
    (model.path / METRICS).write_text("{}")
    with pytest.raises(ModelFormatError, match="damaged or altered"):
        model.metrics()


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000])
def test_figures_that_are_no_json_are_refused(tmp_path, text):
    model = write_model_folder(tmp_path / "model", TINY, {METRICS: text}, card="")
    with pytest.raises(ModelFormatError, match=r"metrics\.json is not valid JSON"):
        model.metrics()


def test_the_bundled_models_are_whole():
    for name in bundled_names():
        model = open_model_folder(model_folder.BUNDLED / name)
        assert model.config.name == name
        assert NETWORK in model.config.files
        for file in model.config.files:
            assert model.read(file)


def test_a_detector_is_a_model_folder_too(tmp_path):
    config = DetectorConfig(name="mine", score_threshold=0.5)
    files = {DETECTOR_NETWORK: b"search", LANDMARKS_NETWORK: b"landmarks"}
    detector = write_model_folder(tmp_path / "detector", config, files, card="# Mine\n")
    assert isinstance(detector, DetectorFolder)
    opened = open_model_folder(tmp_path / "detector")
    assert opened == detector
    assert opened.config.score_threshold == 0.5
    assert {name: opened.read(name) for name in files} == files
    (opened.path / LANDMARKS_NETWORK).write_bytes(b"altered")
    with pytest.raises(ModelFormatError, match="damaged or altered"):
        opened.verify()


def test_a_model_of_the_other_kind_is_refused_with_the_way_to_use_it(tmp_path):
    model = written(tmp_path / "model")
    detector = write_model_folder(tmp_path / "d", DetectorConfig(name="d", score_threshold=0.5), {}, card="")
    assert require_estimator(model) is model
    assert require_detector(detector) is detector
    with pytest.raises(ModelFormatError, match=r"is a face detector.*Pass the detector as `detector=`"):
        require_estimator(detector)
    with pytest.raises(ModelFormatError, match=r"estimates age and gender.*the estimator as `model`"):
        require_detector(model)


def test_the_bundled_detector_is_whole():
    detector = require_detector(open_model_folder(model_folder.BUNDLED / BUNDLED_DETECTOR))
    assert detector.config.name == "asianage"
    assert {DETECTOR_NETWORK, LANDMARKS_NETWORK} <= set(detector.config.files)
    detector.verify()


def test_a_folder_of_the_first_format_is_copied_byte_by_byte(tmp_path):
    bundled = require_estimator(open_model_folder(model_folder.BUNDLED / "compact"))
    files = {name: bundled.read(name) for name in bundled.config.files}
    old = write_model_folder(tmp_path / "old", dataclasses.replace(bundled.config, format_version=1), files, card="")
    assert isinstance(old, ModelFolder)
    assert "kind" not in json.loads((tmp_path / "old" / "config.json").read_text("utf-8"))
    copy = write_model_folder(tmp_path / "copy", old.config, files, card="")
    assert isinstance(copy, ModelFolder)
    assert copy.config_sha256 == old.config_sha256


def test_a_card_that_lies_elsewhere_is_refused(tmp_path):
    model = written(tmp_path / "model")
    assert card_in(model.path) == "# Tiny\n"
    (tmp_path / "secret.txt").write_text("secret")
    (model.path / CARD).unlink()
    assert card_in(model.path) == ""
    (model.path / CARD).symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ModelFormatError, match="leads out of the model folder"):
        card_in(model.path)


def test_only_the_cache_of_the_hub_may_link_out_of_a_folder(tmp_path):
    for home in ("models--me--tiny", "mine"):
        model = written(tmp_path / home / "snapshots" / "1")
        blob = tmp_path / home / "blob"
        (model.path / NETWORK).rename(blob)
        (model.path / NETWORK).symlink_to(blob)
        if home == "mine":
            with pytest.raises(ModelFormatError, match="leads out of the model folder"):
                model.read(NETWORK)
        else:
            assert model.read(NETWORK) == FILES[NETWORK]

"""A model is a folder: open it, read its verified files, write it. Nothing in it is executed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from asianage.errors import ModelFormatError
from asianage.files import put_in_place
from asianage.models.config import AnyConfig, DetectorConfig, ModelConfig, config_from_json, config_to_json

CONFIG = "config.json"
NETWORK = "model.tflite"
WEIGHTS = "model.weights.h5"
DETECTOR_NETWORK, DETECTOR_WEIGHTS = "detector.tflite", "detector.weights.h5"
LANDMARKS_NETWORK, LANDMARKS_WEIGHTS = "landmarks.tflite", "landmarks.weights.h5"
METRICS = "metrics.json"
CARD = "README.md"

LEFT_BY_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini", ".gitattributes", ".cache")
"""What systems and the Hub's client leave in a folder."""

MAX_CONFIG_BYTES = 1_000_000
MAX_FILE_BYTES = 500_000_000

BUNDLED = Path(__file__).parent / "bundled"

BUNDLED_DETECTOR = "detector"
"""Name of the folder with the face detector that comes with the package."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """A model folder whose config.json has been read.

    Attributes:
        path: The folder, absolute.
        config: Content of config.json.
        config_sha256: Hash of config.json as it was read.
    """

    path: Path
    config: AnyConfig
    config_sha256: str = ""

    def sha256(self, name: str) -> str:
        """Return the hash of a file in config.json; raises a `ModelFormatError` if the file is not listed."""
        if name not in self.config.files:
            raise ModelFormatError(f"The model in {self.path} has no {name}: {CONFIG} does not list it.")
        return self.config.files[name]

    def read(self, name: str) -> bytes:
        """Return the content of a file. The bytes returned are the bytes compared with the hash in config.json.

        Raises:
            ModelFormatError: The file is missing, not listed, or altered.
        """
        expected = self.sha256(name)
        path = self.path / name
        content = _content(path, MAX_FILE_BYTES)
        received = _sha256(content)
        if received != expected:
            raise ModelFormatError(
                f"{path} is damaged or altered: its sha256 is {received}, {CONFIG} lists {expected}. "
                "Fetch or copy the model again."
            )
        return content

    def verify(self) -> None:
        """Read every file that config.json lists; raises a `ModelFormatError` if one is missing or altered."""
        for name in self.config.files:
            self.read(name)

    def metrics(self) -> dict[str, Any]:
        """Return the content of metrics.json, `{}` if there is none; raises a `ModelFormatError` if it is altered."""
        if METRICS not in self.config.files:
            return {}
        try:
            metrics = json.loads(self.read(METRICS))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise ModelFormatError(f"{self.path / METRICS} is not valid JSON: {error}.") from error
        return metrics if isinstance(metrics, dict) else {}


@dataclass(frozen=True, slots=True)
class ModelFolder(_Folder):
    """The folder of an estimator of age and gender. Its attributes and methods are those of every model folder."""

    config: ModelConfig


@dataclass(frozen=True, slots=True)
class DetectorFolder(_Folder):
    """The folder of a face detector, likewise."""

    config: DetectorConfig


AnyModel = ModelFolder | DetectorFolder


def bundled_names() -> list[str]:
    """Return the names of the estimators that come with the package."""
    return sorted(
        config.parent.name for config in BUNDLED.glob(f"*/{CONFIG}") if config.parent.name != BUNDLED_DETECTOR
    )


def require_estimator(model: AnyModel) -> ModelFolder:
    """Return the model; raises a `ModelFormatError` if it is a face detector."""
    if isinstance(model, DetectorFolder):
        raise ModelFormatError(
            f"The model in {model.path} is a face detector. An estimator of age and gender is required, such as "
            f"{' or '.join(map(repr, bundled_names()))}. Pass the detector as `detector=`."
        )
    return model


def require_detector(model: AnyModel) -> DetectorFolder:
    """Return the model; raises a `ModelFormatError` if it is an estimator."""
    if isinstance(model, ModelFolder):
        raise ModelFormatError(
            f"The model in {model.path} estimates age and gender. A face detector is required: "
            "pass detector='auto' for the bundled one, and the estimator as `model`."
        )
    return model


def open_model_folder(path: str | os.PathLike[str]) -> AnyModel:
    """Read config.json of a model folder. The other files are verified when they are read.

    Raises:
        FileNotFoundError: There is no such folder.
        ModelFormatError: It is not a model folder that this version reads.
    """
    path = Path(path).absolute()
    if not path.is_dir():
        raise FileNotFoundError(f"There is no model folder {path}. Bundled models: {', '.join(bundled_names())}.")
    file = path / CONFIG
    if not file.exists():
        raise ModelFormatError(f"{path} is not a model folder: it has no {CONFIG}.")
    content = _content(file, MAX_CONFIG_BYTES)
    try:
        return _folder(path, config_from_json(content.decode("utf-8")), content)
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"{file} is not a text file. Fetch the model again.") from error
    except ModelFormatError as error:
        raise ModelFormatError(f"{file}: {error}") from error


@overload
def write_model_folder(
    target: str | os.PathLike[str],
    config: ModelConfig,
    files: Mapping[str, bytes],
    *,
    card: str,
    overwrite: bool = ...,
) -> ModelFolder: ...


@overload
def write_model_folder(
    target: str | os.PathLike[str],
    config: DetectorConfig,
    files: Mapping[str, bytes],
    *,
    card: str,
    overwrite: bool = ...,
) -> DetectorFolder: ...


def write_model_folder(
    target: str | os.PathLike[str],
    config: AnyConfig,
    files: Mapping[str, bytes],
    *,
    card: str,
    overwrite: bool = False,
) -> AnyModel:
    """Write a model folder in one step: as a whole or not at all.

    Args:
        target: The folder to make.
        config: Content of config.json; its `files` are computed here.
        files: File name -> content. config.json lists each with its hash.
        card: Text of README.md. It has no hash, because people may edit it.
        overwrite: Replace the model at `target`. A folder that holds anything else is left alone.

    Raises:
        FileExistsError: `target` is not empty, and `overwrite` is off or it holds anything but a model.
        ValueError: A name in `files` is a path, config.json or README.md.
    """
    target = Path(target)
    for name in files:
        if Path(name).name != name or name in ("", "..", CONFIG, CARD):
            raise ValueError(f"`files` must have plain names other than {CONFIG} and {CARD}. Received: {name!r}.")
    check_target(target, overwrite=overwrite)
    # "." has no name, and a link is not what gets replaced.
    place = target.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        for name, content in files.items():
            (partial / name).write_bytes(content)
        hashes = {name: _sha256(content) for name, content in sorted(files.items())}
        config = dataclasses.replace(config, files=hashes)
        text = config_to_json(config).encode()
        (partial / CONFIG).write_bytes(text)
        (partial / CARD).write_text(card, "utf-8")
        partial.chmod(0o755)
        put_in_place(partial, place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return _folder(place, config, text)


def _folder(path: Path, config: AnyConfig, text: bytes) -> AnyModel:
    digest = _sha256(text)
    return (
        ModelFolder(path, config, digest) if isinstance(config, ModelConfig) else DetectorFolder(path, config, digest)
    )


def check_target(target: Path, *, overwrite: bool) -> None:
    """Check that a model can be written to `target` without a loss.

    Raises:
        FileExistsError: `target` is not empty, and `overwrite` is off or it holds anything but a model.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not overwrite:
        raise FileExistsError(f"{target} exists and is not empty. Choose another folder or pass overwrite=True.")
    other = _other_than_a_model(target)
    if other:
        raise FileExistsError(
            f"{target} {other}, and only a model folder is replaced. Choose another folder, or remove it first."
        )


def _other_than_a_model(target: Path) -> str:
    """Return what would be lost with `target` besides a model; "" if nothing would."""
    if not (target / CONFIG).is_file():
        return "is no model folder"
    try:
        config = json.loads(_content(target / CONFIG, MAX_CONFIG_BYTES))
    except (ModelFormatError, ValueError, RecursionError):
        config = None
    if not isinstance(config, dict) or not isinstance(config.get("files"), dict) or "format_version" not in config:
        return f"has a {CONFIG} of something else"
    others = sorted({file.name for file in target.iterdir()} - {*config["files"], CONFIG, CARD, *LEFT_BY_SYSTEMS})
    return f"holds {others[0]}, which is no part of the model" if others else ""


def card_in(folder: Path) -> str:
    """Return the card in a model folder, "" if there is none; refuse one that is not in the folder."""
    path = folder / CARD
    return _content(path, MAX_FILE_BYTES).decode("utf-8", "replace") if os.path.lexists(path) else ""


def _content(path: Path, max_bytes: int) -> bytes:
    """Return the content of a plain file. A link that leads out of the folder is refused.

    The Hub's cache consists of links; one that stays within the cache is accepted.
    """
    home = path.parent.absolute()
    if home.parent.name == "snapshots" and home.parents[1].name.startswith("models--"):
        home = home.parents[1]
    try:
        if not path.is_file():
            raise ModelFormatError(f"{path} is missing or not a file. Fetch or copy the whole model folder again.")
        if path.is_symlink() and not path.resolve().is_relative_to(home.resolve()):
            raise ModelFormatError(f"{path} is a link that leads out of the model folder. Put the file itself there.")
        if path.stat().st_size > max_bytes:
            raise ModelFormatError(f"{path} is larger than {max_bytes} bytes: not a file of a model of this package.")
        return path.read_bytes()
    except (OSError, RuntimeError) as error:  # Links in a circle.
        raise ModelFormatError(f"{path} cannot be read: {error}. Fetch or copy the folder again.") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

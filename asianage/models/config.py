"""The description of a published model: frozen dataclasses <-> config.json.

A model is of one of two kinds: an estimator of age and gender, `ModelConfig`, or a face detector, `DetectorConfig`.
Version 1 of the format has no ``kind``: all its models are estimators.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from asianage.errors import ModelFormatError
from asianage.models.ages import ESTIMATES, AgeAxis

FORMAT_VERSION = 2
"""Version of the model folder. A folder with a larger one needs a newer package."""

_TASKS = frozenset({"age", "gender"})

GENDERS = ("female", "male")
"""Labels of the data sets, in the order of the gender logit: negative, positive."""

MAX_MASSES = 200
"""Largest number of ages with an interval mass of their own."""

ALIGNMENT = "five_point"
"""Name of the crop geometry in `asianage.faces.alignment`."""

DETECTOR_NETWORKS = {"detector": "face_detector", "landmarks": "face_landmarks"}
"""Files of a detector, without their suffixes -> the network in `asianage.networks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How logits become probabilities and intervals; fitted on validation data.

    Attributes:
        age_temperature: Divides the age logits.
        gender_temperature: Divides the gender logit.
        interval_mass: Coverage, as text -> central mass of the age distribution with that coverage on validation data
            (conformal prediction): a number, or one for each of evenly spaced ages, as in `ages.central_interval`.
        age_estimate: Which age stands for a distribution: "mean", or "median", which is less drawn to the middle of
            all ages.
        interval_stretch: Warning of a prediction -> how many times wider its interval is, measured on validation faces
            that were made so. The largest counts.
    """

    age_temperature: float = 1.0
    gender_temperature: float = 1.0
    interval_mass: Mapping[str, float | Sequence[float]] = field(default_factory=lambda: {"0.9": 0.9})
    age_estimate: str = "mean"
    interval_stretch: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("age_temperature", "gender_temperature"):
            _require(_is_number(getattr(self, name)) and 0.01 <= getattr(self, name) <= 100, name, getattr(self, name))
        masses = self.interval_mass
        _require(isinstance(masses, Mapping) and len(masses) > 0, "interval_mass", masses)
        for coverage, mass in masses.items():
            values: Sequence[Any] = [mass]
            if isinstance(mass, list | tuple) and 2 <= len(mass) <= MAX_MASSES:
                values = mass
            inside = all(_is_number(value) and 0 < value < 1 for value in values)
            _require(_is_probability(coverage) and inside, "interval_mass", masses)
        _require(self.age_estimate in list(ESTIMATES), "age_estimate", self.age_estimate)
        stretch = self.interval_stretch
        _require(isinstance(stretch, Mapping), "interval_stretch", stretch)
        for factor in stretch.values():
            _require(_is_number(factor) and 1 <= factor <= 10, "interval_stretch", stretch)

    def mass_of(self, coverage: float) -> float | Sequence[float]:
        """Return the central mass of the age distribution that had this coverage on validation data.

        Raises:
            ValueError: The model was not calibrated for that coverage.
        """
        for text, mass in self.interval_mass.items():
            if abs(float(text) - coverage) < 1e-9:
                return mass
        raise ValueError(
            "`interval_coverage` must be one that the model was calibrated for: "
            f"{', '.join(self.interval_mass)}. Received: {coverage}."
        )

    def stretch_of(self, warnings: Sequence[str]) -> float:
        """Return how many times wider the interval of a face with these warnings is."""
        return max((self.interval_stretch.get(warning, 1.0) for warning in warnings), default=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Everything that prediction and fine-tuning need of a model besides its weights.

    Attributes:
        name: Name of the model.
        architecture: Name of the network in `asianage.networks`.
        network: Arguments of the network.
        image_size: Side of the crops, in pixels.
        min_age: First age of the axis, in years.
        max_age: Last age of the axis, in years.
        genders: Labels for a negative and a positive gender logit.
        alignment: Name of the crop geometry.
        calibration: How logits become probabilities and intervals.
        provenance: Origin of the weights: recipe, data sets, seed, commit.
        files: File name -> SHA-256 of its content, in hexadecimal.
        asianage_version: Version of the package that wrote the folder.
        format_version: Version of the folder format.
    """

    KIND: ClassVar[str] = "estimator"

    name: str
    architecture: str
    image_size: int
    network: Mapping[str, Any] = field(default_factory=dict)
    min_age: int = 0
    max_age: int = 100
    genders: tuple[str, str] = GENDERS
    alignment: str = ALIGNMENT
    calibration: Calibration = field(default_factory=Calibration)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    asianage_version: str = ""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        _check_shared_values(self)
        _require(isinstance(self.architecture, str), "architecture", self.architecture)
        _require(isinstance(self.network, Mapping), "network", self.network)
        task = self.network.get("task", "both")
        _require(task in ["both", *_TASKS], "network.task", task)
        _require(_is_integer(self.image_size) and 16 <= self.image_size <= 1024, "image_size", self.image_size)
        _require(_is_integer(self.min_age) and _is_integer(self.max_age), "min_age", self.min_age)
        _require(0 <= self.min_age < self.max_age <= 150, "max_age", self.max_age)
        _require(tuple(self.genders) == GENDERS, "genders", self.genders)
        _require(self.alignment == ALIGNMENT, "alignment", self.alignment)

    @property
    def axis(self) -> AgeAxis:
        """The age axis of the model."""
        return AgeAxis(self.min_age, self.max_age)

    @property
    def tasks(self) -> frozenset[str]:
        """What the model learned: "age", "gender" or both."""
        task = self.network.get("task", "both")
        return _TASKS if task == "both" else frozenset({task})


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """Everything that a search for faces needs of a detector besides its weights.

    Attributes:
        name: Name of the detector.
        score_threshold: Smallest score of a face, chosen on validation data.
        networks: The two networks; see `DETECTOR_NETWORKS`.
        provenance: Origin of the weights: recipe, data sets, seed.
        files: File name -> SHA-256 of its content, in hexadecimal.
        asianage_version: Version of the package that wrote the folder.
        format_version: Version of the folder format.
    """

    KIND: ClassVar[str] = "detector"

    name: str
    score_threshold: float
    networks: Mapping[str, str] = field(default_factory=lambda: dict(DETECTOR_NETWORKS))
    provenance: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    asianage_version: str = ""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        _check_shared_values(self)
        threshold = self.score_threshold
        _require(_is_number(threshold) and 0 < threshold < 1, "score_threshold", threshold)
        _require(self.networks == DETECTOR_NETWORKS, "networks", self.networks)


AnyConfig = ModelConfig | DetectorConfig


def config_to_json(config: AnyConfig) -> str:
    """Return the text of config.json."""
    kind = {} if config.format_version == 1 else {"kind": config.KIND}
    return json.dumps({**kind, **asdict(config)}, indent=2, ensure_ascii=False) + "\n"


def config_from_json(text: str) -> AnyConfig:
    """Read the text of config.json.

    Raises:
        ModelFormatError: The text is not JSON, has a newer format, or has unknown, missing or impossible values.
    """
    try:
        values = json.loads(text)
        # Half a surrogate pair is JSON, but cannot be written as text again.
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"config.json is not valid JSON: {error}. Fetch the model again.") from error
    _require(isinstance(values, dict), "config.json", values)
    version = values.get("format_version")
    _require(_is_integer(version) and version >= 1, "format_version", version)
    if version > FORMAT_VERSION:
        raise ModelFormatError(
            f"The model has format version {version}; this version of asianage reads up to {FORMAT_VERSION}. "
            "Run: pip install --upgrade asianage"
        )
    kind = ModelConfig.KIND if version == 1 else values.pop("kind", None)
    try:
        if kind == DetectorConfig.KIND:
            return DetectorConfig(**_known(DetectorConfig, values))
        _require(kind == ModelConfig.KIND, "kind", kind)
        calibration = Calibration(**_known(Calibration, values.pop("calibration", {})))
        genders = tuple(values.pop("genders", GENDERS))
        return ModelConfig(**_known(ModelConfig, values), calibration=calibration, genders=genders)
    except TypeError as error:
        raise ModelFormatError(f"config.json is incomplete or of a wrong type: {error}.") from error


def _check_shared_values(config: AnyConfig) -> None:
    for name in ("name", "asianage_version"):
        _require(isinstance(getattr(config, name), str), name, getattr(config, name))
    for name in ("provenance", "files"):
        _require(isinstance(getattr(config, name), Mapping), name, getattr(config, name))
    _require(_is_finite(config.provenance), "provenance", config.provenance)
    for name, digest in config.files.items():
        _require(_is_plain_file_name(name) and isinstance(digest, str) and len(digest) == 64, "files", config.files)


def _known(kind: type, values: Any) -> dict[str, Any]:
    _require(isinstance(values, dict), kind.__name__, values)
    unknown = sorted(set(values) - {item.name for item in fields(kind)})
    if unknown:
        raise ModelFormatError(
            f"config.json has keys that this version of asianage does not know: {', '.join(unknown)}. "
            "Run: pip install --upgrade asianage"
        )
    return values


def _require(condition: bool, name: str, value: Any) -> None:
    if not condition:
        raise ModelFormatError(
            f"config.json: `{name}` has a value that cannot be used. Received: {str(value)[:200]!r}."
        )


def _is_finite(value: Any) -> bool:
    """Tell whether a value can be written as JSON, which has neither NaN nor infinity."""
    try:
        json.dumps(value, allow_nan=False, default=str, skipkeys=True)
    except (ValueError, RecursionError):
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_probability(text: Any) -> bool:
    try:
        return isinstance(text, str) and 0 < float(text) < 1
    except ValueError:
        return False


def _is_plain_file_name(name: Any) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\:\0")

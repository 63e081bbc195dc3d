"""Logits and calibration -> ages, intervals and probabilities."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from asianage.faces.crops import FaceCrops
from asianage.faces.quality import face_quality
from asianage.models import ages
from asianage.models.config import GENDERS
from asianage.models.folder import NETWORK, ModelFolder
from asianage.models.litert import LiteRTNetwork, averaged_with_mirror
from asianage.prediction.face_prediction import FacePrediction
from asianage.prediction.numeric_options import WHOLE, check_number


@dataclass(frozen=True, slots=True, eq=False)
class CropEstimates:
    """Age and gender of n face crops, as arrays.

    What the model did not learn is NaN: ages with their intervals and distributions, or probabilities.

    Attributes:
        ages: float32 (n,): estimated ages, in years.
        intervals: float32 (n, 2): lower and upper ends of the age intervals, in years, as if all were seen well.
        age_distributions: float32 (n, num_ages), rows sum to 1.
        male_probabilities: float32 (n,), in [0, 1].
    """

    ages: np.ndarray
    intervals: np.ndarray
    age_distributions: np.ndarray
    male_probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.ages)

    @classmethod
    def concatenated(cls, parts: Sequence[CropEstimates]) -> CropEstimates:
        """Return the estimates of several batches, at least one, as one."""
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))


class CropEstimator:
    """A network with its calibration; safe to call from several threads.

    The arguments are those of `asianage.AgeGenderEstimator`.
    """

    def __init__(self, model: ModelFolder, *, interval_coverage: float, mirror: bool, num_threads: int | None) -> None:
        check_number("num_threads", num_threads, WHOLE, least=1, whole=True)
        coverage = "be a number in (0, 1), such as 0.9"
        check_number("interval_coverage", interval_coverage, coverage, least=0, most=1, optional=False)
        self.model = model
        self.axis = model.config.axis
        self.coverage = interval_coverage
        self.mirror = mirror
        self._num_threads = num_threads
        self._interval_mass = model.config.calibration.mass_of(interval_coverage)
        self._network = LiteRTNetwork(
            model.read(NETWORK),
            source=str(model.path / NETWORK),
            image_size=model.config.image_size,
            num_ages=self.axis.num_ages,
            num_threads=num_threads,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Load the network anew, from the same folder, in a process that this is sent to."""
        make = functools.partial(
            type(self), interval_coverage=self.coverage, mirror=self.mirror, num_threads=self._num_threads
        )
        return make, (self.model,)

    def __call__(self, crops: np.ndarray) -> CropEstimates:
        """Estimate crops, uint8 or float32 (n, image_size, image_size, 3), RGB in [0, 255]."""
        run = functools.partial(averaged_with_mirror, self._network) if self.mirror else self._network
        age_logits, gender_logits = run(crops)
        calibration, tasks = self.model.config.calibration, self.model.config.tasks
        distributions = ages.softmax(age_logits, calibration.age_temperature)
        estimated = ages.estimated_age(self.axis, distributions, calibration.age_estimate)
        intervals = ages.age_interval(self.axis, distributions, self._interval_mass, calibration.age_estimate)
        if "age" not in tasks:
            estimated, intervals, distributions = (
                np.full_like(array, np.nan) for array in (estimated, intervals, distributions)
            )
        if "gender" not in tasks:
            gender_logits = np.full_like(gender_logits, np.nan)
        return CropEstimates(
            ages=estimated,
            intervals=intervals,
            age_distributions=distributions,
            male_probabilities=1.0 / (1.0 + np.exp(-gender_logits / calibration.gender_temperature)),
        )

    def features(self, crops: np.ndarray) -> np.ndarray:
        """Return the features of crops as in a call: float32 (n, width).

        Raises:
            ValueError: The model has no output of features.
        """
        if self._network.feature_width is None:
            raise ValueError(
                f"The model {self.model.config.name!r} has no output of features, as models of the first version. "
                "`asianage.networks.heads.features_network` takes them from a Keras network."
            )
        features = self._network.features(crops)
        if self.mirror:
            features = (features + self._network.features(np.ascontiguousarray(crops[:, :, ::-1]))) / 2
        return features

    def predict(self, images: Sequence[FaceCrops]) -> Iterator[list[FacePrediction]]:
        """Run the network once over the faces of several images, and yield the predictions of each image."""
        estimates = self(np.concatenate([faces.crops for faces in images]))
        first = 0
        for faces in images:
            yield [self._prediction(faces, number, estimates, first + number) for number in range(len(faces.crops))]
            first += len(faces.crops)

    def _prediction(self, faces: FaceCrops, number: int, estimates: CropEstimates, row: int) -> FacePrediction:
        face = faces.detections[number]
        quality = face_quality(faces.crops[number], face.box, face.landmarks)
        warnings = (*faces.warnings[number], *quality.warnings)
        only = slice(row, row + 1)
        stretch = self.model.config.calibration.stretch_of(warnings)
        ((low, high),) = ages.stretched_interval(self.axis, estimates.intervals[only], estimates.ages[only], stretch)
        male = estimates.male_probabilities[row]
        is_male = bool(male > 0.5)
        has_age, has_gender = (task in self.model.config.tasks for task in ("age", "gender"))
        return FacePrediction(
            age=float(estimates.ages[row]) if has_age else None,
            age_interval=(float(low), float(high)) if has_age else None,
            interval_coverage=self.coverage,
            age_distribution=estimates.age_distributions[row] if has_age else None,
            age_axis=self.axis,
            gender=GENDERS[is_male] if has_gender else None,
            gender_probability=float(male if is_male else 1.0 - male) if has_gender else None,
            box=face.box,
            landmarks=face.landmarks,
            detector=faces.detector,
            detection_score=None if faces.detector is None else face.score,
            warnings=warnings,
        )

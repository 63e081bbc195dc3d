"""The estimator and the Hub: what is pushed is loaded with the line that the push returns."""

from __future__ import annotations

import pytest

from asianage import AgeGenderEstimator
from tests.models.conftest import clean_surroundings  # noqa: F401
from tests.models.hub_server import running_hub
from tests.prediction.fakes import noise


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_pushed_model_is_loaded_by_its_line_and_predicts_the_same(estimator, tmp_path, capsys):
    with running_hub() as server:
        pushed = estimator.push_to_hub("someone/faces", token=server.token, endpoint=server.url)
        assert capsys.readouterr().out == ""
        assert f'"someone/faces", revision="{pushed.commit}"' in pushed.line
        options = f', endpoint="{server.url}", cache_dir={str(tmp_path / "cache")!r}, detector=None)'
        pulled = eval(pushed.line.removesuffix(")") + options, {"AgeGenderEstimator": AgeGenderEstimator})
        again = AgeGenderEstimator(
            f"someone/faces@{pushed.commit}", cache_dir=tmp_path / "cache", detector=None, local_files_only=True
        )
    for copy in (pulled, again):
        assert copy.model.config == estimator.model.config
        assert copy.predict(noise(1)) == estimator.predict(noise(1))
    with pytest.raises(ValueError, match="on the Hub"):
        AgeGenderEstimator("compact", revision="main")

from __future__ import annotations

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage import AgeGenderEstimator
from asianage.cli import main
from asianage.data.records import write_records


def test_a_model_is_fine_tuned_and_can_be_measured(trained, tiny_records, tmp_path, capsys):
    run, _ = trained
    table, output = str(tmp_path / "faces.csv"), tmp_path / "tuned"
    validation = str(tmp_path / "validation.csv")
    write_records([record for record in tiny_records if record.split != "val"], table)
    write_records([record for record in tiny_records if record.split == "val"], validation)
    options = ["--epochs", "1", "--learning-rate", "1e-3", "--batch-size", "15", "--freeze", "backbone"]
    options += ["--validation", validation, "--detector", "none", "--quantization", "float32"]
    assert main(["fine-tune", str(run / "model"), table, str(output), *options]) == 0
    assert capsys.readouterr().out == f"model: {output / 'model'}\n"
    config = AgeGenderEstimator(output / "model", detector=None).model.config
    assert config.name == "small-fine-tuned"
    recipe = config.provenance["recipe"]
    assert recipe["optimizer"]["learning_rate"] == 1e-3
    assert recipe["batch_size"] == 15
    assert config.provenance["faces"] == {"train": {"tiny": 60}, "val": {"tiny": 30}}
    assert main(["evaluate", table, "--split", "test", "--model", str(output / "model"), "--detector", "none"]) == 0
    assert "MAE" in capsys.readouterr().out

from __future__ import annotations

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.cli import main


def test_a_model_is_converted_and_compared(trained, tmp_path, capsys):
    import keras

    run, _ = trained
    output = tmp_path / "small.keras"
    assert main(["export", str(run / "model"), "--to", "keras", "--output", str(output)]) == 0
    assert keras.saving.load_model(output).input_shape == (None, 32, 32, 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{output}: ")
    assert [line.split()[0] for line in lines[1:]] == ["probability", "expected", "probability"]


def test_samples_are_the_pictures_of_a_folder(folder, monkeypatch, capsys):
    received = []

    def export(model, to, output, *, samples):
        received.append((model.config.name, to, output, samples))
        raise ValueError("`samples` must be more.")

    monkeypatch.setattr("asianage.training.export.conversion.convert_model", export)
    assert main(["export", "compact", "--to", "int8", "--samples", str(folder)]) == 2
    assert capsys.readouterr().err == "asianage: --samples must be more.\n"
    assert received == [("compact", "int8", None, [folder / "a.png", folder / "b.jpg"])]

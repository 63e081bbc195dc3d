from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from asianage.training.run_folder import (
    INPUTS,
    RECIPE,
    RUN,
    Run,
    RunState,
    check_settings,
    delete_leftovers,
    held_run_folder,
    keep_run,
    keep_settings,
)

SETTINGS = {"name": "tiny", "optimizer": {"learning_rate": 0.1, "schedule": "cosine"}, "freeze": ["a"], "network": {}}


def state(*scores, epochs=9, patience=0):
    return RunState(epochs, patience, [{"epoch": n, "val_score": score} for n, score in enumerate(scores, 1)])


@pytest.mark.parametrize(
    ("scores", "epochs", "patience", "expected"),
    [
        ([], 1, 1, False),
        ([2.0, 1.0], 3, 0, False),
        ([2.0, 1.0, 3.0], 3, 0, True),
        ([2.0, 1.0, 3.0], 9, 2, False),
        # One that is only as good is no better one.
        ([2.0, 1.0, 3.0, 1.0], 9, 2, True),
        ([2.0, 1.0, 3.0, 0.5], 9, 2, False),
    ],
)
def test_a_run_is_finished_after_all_epochs_or_when_nothing_gets_better(scores, epochs, patience, expected):
    assert state(*scores, epochs=epochs, patience=patience).is_finished == expected


def test_only_a_smaller_score_is_a_better_one():
    run = RunState(9)
    assert [run.add({"val_score": score}) for score in (5.0, 4.0, 4.0, 4.5, 3.0)] == [True, True, False, False, True]


def test_a_state_is_read_as_it_was_written(tmp_path):
    assert RunState.read(tmp_path, epochs=9, patience=2) == RunState(9, 2)
    run = state(2.5, 1.5, patience=2)
    run.write(tmp_path)
    assert RunState.read(tmp_path, epochs=9, patience=2) == run
    assert json.loads((tmp_path / "progress.json").read_text())["epoch"] == 2
    with (tmp_path / "history.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"epoch": "1", "val_score": "2.5"}, {"epoch": "2", "val_score": "1.5"}]


def test_two_names_of_checkpoints_take_turns():
    assert [state(*[1.0] * count).checkpoint for count in (1, 2, 3)] == [
        f"checkpoint-{number}.weights.h5" for number in (1, 0, 1)
    ]


def test_settings_may_change_until_an_epoch_is_done(tmp_path):
    folder = tmp_path / "run"
    check_settings(folder, RECIPE, SETTINGS)
    keep_settings(folder, RECIPE, SETTINGS)
    keep_settings(folder, RECIPE, {**SETTINGS, "name": "other"})
    assert json.loads((folder / "recipe.json").read_text())["name"] == "other"
    state(1.0).write(folder)
    # Inputs that were never written down are not compared.
    check_settings(folder, INPUTS, SETTINGS)
    with pytest.raises(ValueError, match='`name` was "other" and is "tiny"'):
        check_settings(folder, RECIPE, SETTINGS)


def test_a_finished_run_keeps_its_results_and_no_more_epochs_are_added(tmp_path):
    keep_settings(tmp_path, RECIPE, {"epochs": 1})
    state(1.0).write(tmp_path)
    for name in (
        "checkpoint-1.weights.h5",
        "best.weights.h5",
        "crops/crops.npy",
        "pictures/a.png",
        "model/config.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    check_settings(tmp_path, RECIPE, {"epochs": 2})
    delete_leftovers(tmp_path)
    assert below(tmp_path).keys() == {
        *("history.csv", "progress.json", "recipe.json", "best.weights.h5", "model/config.json")
    }
    with pytest.raises(ValueError, match="`epochs` was 1 and is 2"):
        check_settings(tmp_path, RECIPE, {"epochs": 2})


def test_the_message_of_a_refused_run_names_each_setting_that_differs(tmp_path):
    keep_settings(tmp_path, RECIPE, SETTINGS)
    state(1.0).write(tmp_path)
    check_settings(tmp_path, RECIPE, SETTINGS)
    other = {"name": "tiny", "optimizer": {"learning_rate": 0.2}, "freeze": ["a", "b"], "network": {}, "seed": 0}
    before = (tmp_path / RECIPE).read_bytes()
    with pytest.raises(ValueError, match="begun with other settings") as caught:
        keep_settings(tmp_path, RECIPE, other)
    for difference in (
        "`optimizer.learning_rate` was 0.1 and is 0.2",
        '`optimizer.schedule` was "cosine" and is not set',
        '`freeze` was ["a"] and is ["a", "b"]',
        "`seed` was not set and is 0",
    ):
        assert difference in str(caught.value)
    assert "`name`" not in str(caught.value)
    assert "`network`" not in str(caught.value)
    assert (tmp_path / RECIPE).read_bytes() == before


def below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        *("split.csv", "left_out.csv", "history.csv", "recipe.json", "best.weights.h5", "metrics.json"),
        *("model/config.json", "report/report.md", "crops/me.jpg"),
    ],
)
def test_a_folder_of_other_files_is_refused_and_stays_as_it_is(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match="which is not of a run"), held_run_folder(tmp_path):
        pass
    assert below(tmp_path) == {name: b"mine"}


@pytest.mark.parametrize("mark", ["run.json", "inputs.json", "study/inputs.json", "split.csv.sha256"])
def test_a_run_goes_on_in_its_folder_beside_other_files(tmp_path, mark):
    for name in (mark, "history.csv", "notes.txt", "stage/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    with held_run_folder(tmp_path):
        pass
    assert below(tmp_path).keys() == {mark, "history.csv", "notes.txt", "stage/notes.txt", "run.json"}


@pytest.mark.parametrize("source", ["split.csv", "model", "left_out.csv"])
def test_what_a_run_reads_is_no_part_of_it(tmp_path, source, monkeypatch):
    with held_run_folder(tmp_path / "run"):
        pass
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(ValueError, match=f"Received: run/{source}"),
        held_run_folder(tmp_path / "run", [f"run/{source}"]),
    ):
        pass
    with held_run_folder(tmp_path / "run", [None, [1], "compact", "owner/name", "other/split.csv"]):
        pass


def test_a_run_does_not_lie_in_the_folder_that_it_reads(tmp_path):
    (tmp_path / "faces").mkdir()
    with (
        pytest.raises(ValueError, match="must not lie in what it reads"),
        held_run_folder(tmp_path / "faces" / "run", [tmp_path / "faces"]),
    ):
        pass


def test_runs_in_one_folder_are_carried_out_in_one_way(tmp_path):
    run = Run(tmp_path, detector=None)
    keep_run(run)
    keep_run(replace(run, quantization="float32"))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "progress.json").write_text("{}")
    keep_run(replace(run, quantization="float32"))
    with pytest.raises(ValueError, match=r'`detector` was null and is "yunet"'):
        keep_run(Run(tmp_path, detector="yunet", quantization="float32"))


def test_a_damaged_state_is_named(tmp_path):
    (tmp_path / "progress.json").write_text('{"epoch": 1, "hist')
    with pytest.raises(ValueError, match=r"progress\.json is damaged"):
        RunState.read(tmp_path, epochs=3)


def test_a_model_with_other_files_beside_it_is_noticed_before_the_work(tmp_path):
    with held_run_folder(tmp_path):
        pass
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "me.jpg").write_text("mine")
    with pytest.raises(FileExistsError, match="is no model folder"), held_run_folder(tmp_path):
        pass


def test_a_failure_before_anything_was_written_leaves_no_folder(tmp_path):
    def fail(folder, write=False):
        with held_run_folder(folder):
            if write:
                (folder / "split.csv").write_text("")
            raise KeyboardInterrupt

    for folder in (tmp_path / "new" / "run", tmp_path / "old"):
        if folder.name == "old":
            folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            fail(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]
    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path / "run", write=True)
    assert below(tmp_path / "run").keys() == {RUN, "split.csv"}


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    with (
        held_run_folder(tmp_path / "run"),
        pytest.raises(BlockingIOError, match="Another one is writing"),
        held_run_folder(tmp_path / "run"),
    ):
        pass
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="Received: the file"), held_run_folder(tmp_path / "file"):
        pass

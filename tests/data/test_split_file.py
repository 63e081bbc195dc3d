from __future__ import annotations

import random

import pytest

from asianage.data.split_file import keep_split, read_split, write_split
from asianage.data.splits import identity_split
from tests.data.people import people


def test_written_split_is_read_again_and_its_hash_does_not_depend_on_the_machine(tmp_path):
    records = identity_split(people())
    digest = write_split(records, tmp_path / "split.csv", root="data")
    assert read_split(tmp_path / "split.csv", root="data") == sorted(records, key=lambda r: r.path.as_posix())
    elsewhere = identity_split(random.Random(0).sample(people(root="elsewhere"), len(records)))
    assert write_split(elsewhere, tmp_path / "other.csv", root="elsewhere") == digest
    assert (tmp_path / "split.csv.sha256").read_text() == f"{digest}  split.csv\n"


def test_altered_split_is_refused(tmp_path):
    write_split(identity_split(people()), tmp_path / "split.csv")
    text = (tmp_path / "split.csv").read_text()
    (tmp_path / "split.csv").write_text(text.replace("train", "test", 1))
    with pytest.raises(ValueError, match="was altered"):
        read_split(tmp_path / "split.csv")


def test_the_split_of_a_run_is_kept(tmp_path):
    records = identity_split(people(20))
    digest = keep_split(records, tmp_path / "split.csv", fixed=False)
    assert keep_split(list(reversed(records)), tmp_path / "split.csv", fixed=True) == digest
    other = identity_split(records, fold=1)
    with pytest.raises(ValueError, match="other faces or another split"):
        keep_split(other, tmp_path / "split.csv", fixed=True)
    assert keep_split(other, tmp_path / "split.csv", fixed=False) != digest


def test_a_table_of_ones_own_is_not_overwritten(tmp_path):
    table = tmp_path / "split.csv"
    table.write_text("file,age\na.jpg,3\n")
    with pytest.raises(FileExistsError, match="not of a run"):
        keep_split(identity_split(people(20)), table, fixed=False)
    assert table.read_text() == "file,age\na.jpg,3\n"

from __future__ import annotations

from collections import Counter

import pytest

from asianage.data.split_list import LEFT_OUT, SPLIT_LIST, read_split_list
from tests.benchmarks.doubtful_labels import NAMES
from tests.benchmarks.make_split_list import listed_pictures, write_split_list


@pytest.fixture(scope="module")
def shipped():
    return read_split_list()


def test_the_list_of_the_package_holds_every_picture_once_in_one_split(shipped):
    assert {picture.split for picture in shipped} == {"train", "val", "test", LEFT_OUT}
    assert Counter(picture.dataset for picture in shipped) == {
        "afad": 9258,
        "aaf": 11823,
        "utkface": 12933,
        "utkface_other": 1000,
        "utkface_more": 3665,
        "fairface": 9946,
    }
    names = [(picture.dataset.split("_")[0], picture.file) for picture in shipped]
    assert len(set(names)) == len(names)


def test_nobody_of_afad_is_in_two_splits(shipped):
    persons = {(p.file.split("/")[-1].split("-")[0], p.split) for p in shipped if p.dataset == "afad"}
    assert max(Counter(person for person, _ in persons).values()) == 1


def test_only_faces_of_utkface_that_would_train_are_left_out(shipped):
    left_out = [picture for picture in shipped if picture.split == LEFT_OUT]
    assert Counter(picture.dataset for picture in left_out) == {"utkface": 121, "utkface_more": 34}
    assert {picture.file for picture in left_out} == set(NAMES.read_text("utf-8").split())


def test_the_list_is_small():
    assert SPLIT_LIST.stat().st_size < 150_000


def test_the_list_of_the_package_is_that_of_the_tables(shipped, shared_data):
    assert shipped == listed_pictures(shared_data)


def test_a_list_that_was_altered_or_damaged_is_refused(shipped, tmp_path):
    path = tmp_path / "list.csv.xz"
    digest = write_split_list(shipped[:3], path)
    assert read_split_list(path, digest) == shipped[:3]
    write_split_list(shipped[:2], path)
    with pytest.raises(ValueError, match=f"must have the SHA-256 {digest}"):
        read_split_list(path, digest)
    path.write_bytes(b"no list")
    with pytest.raises(ValueError, match="damaged"):
        read_split_list(path, digest)

from __future__ import annotations

from asianage.cli import main
from asianage.data.records import read_records
from asianage.data.split_list import read_split_list


def test_the_table_is_written_and_what_is_missing_is_said(tmp_path, capsys, monkeypatch):
    pictures = [picture for picture in read_split_list() if picture.dataset == "aaf"]
    (tmp_path / "aaf").mkdir()
    for picture in pictures[:3]:
        (tmp_path / "aaf" / picture.file).touch()
    monkeypatch.chdir(tmp_path)
    assert main(["build-table", "--all-age-faces", "aaf", "table.csv"]) == 1
    records = read_records(tmp_path / "table.csv")
    assert [(r.path, r.split) for r in records] == [(tmp_path / "aaf" / p.file, p.split) for p in pictures[:3]]
    said = capsys.readouterr()
    assert "table: table.csv, 3 faces\n" in said.out
    assert "11,820 missing\n" in said.out
    assert "fairface: not given, 9,946 faces\n" in said.out
    names = ", ".join(picture.file for picture in pictures[3:6])
    assert said.err == f"asianage: missing of aaf: {names} and 11,817 more\n"


def test_errors_name_the_options(tmp_path, capsys):
    assert main(["build-table", str(tmp_path / "table.csv")]) == 2
    assert "--afad, --all-age-faces, --utkface, --fairface" in capsys.readouterr().err
    assert main(["build-table", "--afad", str(tmp_path), str(tmp_path / "none" / "table.csv")]) == 2
    assert "Make the folder" in capsys.readouterr().err

"""Labeled faces: read, cleaned, split, and cut to crops on disk. Nothing here needs Keras."""

from __future__ import annotations

from asianage.data.afad_download import download_afad
from asianage.data.cleaning import clean
from asianage.data.datasets import Dataset, register_dataset
from asianage.data.photos import read_detection_folder, read_photos
from asianage.data.records import DroppedFile, FaceRecord, RecordTable, read_records, write_records
from asianage.data.sources import read_source
from asianage.data.split_file import read_split, write_split
from asianage.data.splits import hold_out_split, identity_split, predefined_split, random_split
from asianage.data.study_split import study_split
from asianage.data.training_table import TrainingTable, build_training_table

__all__ = [
    "Dataset",
    "DroppedFile",
    "FaceRecord",
    "RecordTable",
    "TrainingTable",
    "build_training_table",
    "clean",
    "download_afad",
    "hold_out_split",
    "identity_split",
    "predefined_split",
    "random_split",
    "read_detection_folder",
    "read_photos",
    "read_records",
    "read_source",
    "read_split",
    "register_dataset",
    "study_split",
    "write_records",
    "write_split",
]

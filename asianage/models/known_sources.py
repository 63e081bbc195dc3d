"""Data sets and published weights that cards name in full, with their terms."""

from __future__ import annotations

from dataclasses import dataclass

from asianage.models.markdown import plain_text


@dataclass(frozen=True, slots=True)
class KnownData:
    """Name, terms and source of a data set."""

    name: str
    terms: str
    source: str


KNOWN_DATA = {
    "afad": KnownData(
        "AFAD (Asian Face Age Dataset)",
        "academic research only",
        "Niu et al., CVPR 2016, <https://afad-dataset.github.io>",
    ),
    "aaf": KnownData(
        "All-Age-Faces",
        "research only",
        "Cheng et al. 2019, <https://github.com/JingchunCheng/All-Age-Faces-Dataset>",
    ),
    "utkface": KnownData(
        "UTKFace",
        "non-commercial research only",
        "Zhang, Song and Qi, CVPR 2017, <https://susanqq.github.io/UTKFace>",
    ),
}


KNOWN_WEIGHTS = {
    "dlib": "dlib's face recognition network `dlib_face_recognition_resnet_model_v1` (Davis King, 2017; public domain, "
    "CC0),\n  trained on about three million pictures of FaceScrub, VGG Face and the web; "
    "<https://github.com/davisking/dlib-models>",
    "faceres": "HSE-FaceRes's MobileNet (Savchenko, PeerJ Computer Science 2019; Apache-2.0), trained to tell "
    "the people of\n  VGGFace2 apart (pictures for non-commercial research), then ages and genders of other pictures; "
    "as the npm package\n  @vladmandic/human 3.3.6 has it; <https://github.com/HSE-asavchenko/HSE_FaceRec_tf>",
    "vggface": "VGGFace's VGG16 (Parkhi et al., BMVC 2015) as keras-vggface publishes it; non-commercial research only",
}


def full_name(name: str) -> str:
    """Return the name of a data set in a card."""
    if name == "all":
        return "all together"
    return KNOWN_DATA[name].name if name in KNOWN_DATA else plain_text(name)

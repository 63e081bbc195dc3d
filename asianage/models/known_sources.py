"""Data sets and published weights that cards name in full, with their terms."""

from __future__ import annotations

from dataclasses import dataclass

from asianage.models.markdown import ABSENT, plain_text


@dataclass(frozen=True, slots=True)
class KnownData:
    """Name, terms and source of a data set, and whether its terms permit more than research."""

    name: str
    terms: str
    source: str
    is_free: bool = False


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

# Parts of it under names of their own.
KNOWN_DATA |= {
    f"utkface_{part}": KnownData(f"UTKFace, {what}", KNOWN_DATA["utkface"].terms, KNOWN_DATA["utkface"].source)
    for part, what in (("more", "more of the young and the old"), ("other", "other groups, held out"))
}

_MTFL = KnownData(
    "MTFL",
    "none stated; taken as research only",
    "Zhang et al., ECCV 2014, <https://mmlab.ie.cuhk.edu.hk/projects/TCDCN.html>",
)
# The data of face detectors.
KNOWN_DATA |= {
    "mtfl_net": _MTFL,
    "mtfl_lfw": KnownData(f"{_MTFL.name}, part LFW", _MTFL.terms, _MTFL.source),
    "face_mask_detection": KnownData(
        "Face Mask Detection",
        "CC0 1.0",
        "<https://www.kaggle.com/datasets/andrewmvd/face-mask-detection>",
        is_free=True,
    ),
    "tfm_mask_detect": KnownData("tfm-mask-detect", "none stated; taken as research only", ABSENT),
    "fairface": KnownData(
        "FairFace",
        "CC BY 4.0",
        "Karkkainen and Joo, WACV 2021, <https://github.com/joojs/fairface>",
        is_free=True,
    ),
    "imagenet_sample": KnownData(
        "ImageNet, sample images", "non-commercial research only", "Deng et al., CVPR 2009, <https://image-net.org>"
    ),
    "bsds500": KnownData(
        "BSDS500",
        "non-commercial research and education only",
        "Arbelaez et al., PAMI 2011, <https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping>",
    ),
    "scikit_image": KnownData(
        "Pictures of scikit-image", "public domain, CC0 or BSD", "<https://scikit-image.org>", is_free=True
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
    "yunet": "YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023; MIT), trained on the photos of WIDER FACE\n"
    "  (non-commercial research), as OpenCV's model zoo publishes it; <https://github.com/opencv/opencv_zoo>",
}


def known_data(name: str) -> KnownData | None:
    """Return what is known of a data set, by the beginning of its name: "AFAD-Lite" has the terms of AFAD."""
    beginnings = [known for known in KNOWN_DATA if name.lower().startswith(known)]
    return KNOWN_DATA[max(beginnings, key=len)] if beginnings else None


def full_name(name: str) -> str:
    """Return the name of a data set in a card."""
    if name == "all":
        return "all together"
    known = KNOWN_DATA.get(name.lower())
    return plain_text(name) if known is None else known.name

"""How often each age occurs in AFAD."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Source: AFAD-Full.txt, the list of the files of the full set (Niu et al., CVPR 2016): the 165,501 of its 165,515 lines
# that name a picture; the other 14 name a Thumbs.db.
AFAD_NATURAL_COUNTS: Mapping[int, int] = MappingProxyType(
    {
        15: 1251,
        16: 2423,
        17: 2482,
        18: 5585,
        19: 12477,
        20: 13232,
        21: 12560,
        22: 13572,
        23: 10510,
        24: 12891,
        25: 11261,
        26: 7676,
        27: 6481,
        28: 5170,
        29: 4730,
        30: 4806,
        31: 4456,
        32: 3996,
        33: 3701,
        34: 3856,
        35: 4246,
        36: 4234,
        37: 3898,
        38: 3798,
        39: 3791,
        40: 1335,
        41: 114,
        42: 146,
        43: 118,
        44: 94,
        45: 65,
        46: 59,
        47: 49,
        48: 48,
        49: 30,
        50: 28,
        51: 30,
        52: 23,
        53: 40,
        54: 27,
        55: 12,
        56: 16,
        57: 11,
        58: 12,
        59: 7,
        60: 6,
        61: 8,
        62: 25,
        63: 8,
        64: 8,
        65: 9,
        66: 16,
        67: 10,
        68: 7,
        69: 15,
        70: 7,
        72: 35,
    }
)
"""Age -> number of pictures in the full AFAD; there are none of age 71."""

"""Change bytes as a broken disk, a broken download or an attacker would."""

from __future__ import annotations

import random
import struct

NUMBERS = (0, 1, 2, 3, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
"""Values at which programs go wrong."""


def mutated(content: bytes, chance: random.Random, *, head: int = 200) -> bytes:
    """Return bytes with one to four changes, half of them in the first `head` bytes, where headers are."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if len(data) < 16:
            break
        place = chance.randrange(min(len(data), head) if chance.random() < 0.5 else len(data))
        kind = chance.random()
        if kind < 0.35:
            data[place] = chance.randrange(256)
        elif kind < 0.65:
            form = chance.choice(("<H", ">H", "<I", ">I"))
            number = struct.pack(form, chance.choice(NUMBERS) & (2 ** (8 * struct.calcsize(form)) - 1))
            data[place : place + len(number)] = number
        elif kind < 0.75:
            del data[place : place + chance.randrange(1, 64)]
        elif kind < 0.85:
            end = place + chance.randrange(1, 64)
            data[place:place] = data[place:end]
        elif kind < 0.95:
            data[place:place] = chance.randbytes(chance.randrange(1, 32))
        else:
            del data[place:]
    return bytes(data)

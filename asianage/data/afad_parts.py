"""What the authors of AFAD publish: two archives in parts, with their hashes."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase


@dataclass(frozen=True, slots=True)
class PublishedArchive:
    """One tar archive, published as parts.

    Attributes:
        name: Name of the folder that it becomes.
        base_url: Address of the folder of its parts.
        parts: Name and Git blob SHA-1 of each part, in order.
        md5: MD5 of the joined parts, in hexadecimal.
        pictures: Number of pictures in it.
    """

    name: str
    base_url: str
    parts: tuple[tuple[str, str], ...]
    md5: str
    pictures: int


# Git hashes of the parts: the SHA-1 of ``blob``, a space, the size in decimal digits, a zero byte, and the content.
_FULL_HASHES = """
    91883e8b39c50e72e7a87ee7b9dc368fae178a40 14dde41d1a8c07e3edf4ad18d29aaf5d8840694f
    92fc51d371d89d335bacc15f584317117e5cdd8b 08f6a0c82bd2e60c2eee67fc2e97fe1c86563972
    9ca3d6593740a0ead838bb48aa51c865499fa812 7919b693cee2bf8fb306d66781eafb3797ab8b7c
    d2c3e2b61344815457a3443c85afaabc169f65e7 ef4cde789366922a09915be69609ef721c4493d4
    03adc1884b8d308b8af7a37a2e7a1560c0db1b93 9c854f45750f5f0bff3be2b381e454258b00d8dd
    aef2c5eca4fd54163de9eb004e90fe1d6451012f 30fafd31a0b7a41e14d5b919865303d48834de83
    6a7cf336794ce9c2cc88c3769f2cbc57f43f971c f93d58935fbf8f761babe6588aca81f827f4d980
    96def31ae809219b0ec7c142ef69455df9f6440a 9da861de44dbe9c774cf5b40f9574556488c27a6
    d61b8f52ac6c472672e02f4695ba8a6eaf811467 93b8822c9987d57c3a0490e9f574ede9f1a57d62
    eb68ba6d83ab275b5607e66bae7040b5ecc594ea 8dc83753d64a8a9bbb312ec89a9963c2c2bfbb4b
    e3e840b90792f1d57a700e843f9f61ba4d16bde3 0d7d31584da7d4e2ebeb45a909696ef2f9c3d04f
    8885a53007866302e9cd6040ccf328055435c24a 886f6bda8368f283c899cd83e194c3340c9f2dfa
    636a729d7cc3374afd7d7813480307fe0059a20e ac93687748e23d74be3ad9fb2011d704e9b4f393
    7a664822f3a929f6d92d1d8d6d8e93574c470a31 8e1a73d28d7bab6fa771f21919c1a2187e8c4670
    d7c86947a0dc842f7871183674f777fc05e29233 9a4496c924f4c099c8d9a751abab83e4ae4607d4
    deb4f16fbc483b69e4f47e91fbb66d280436b2d8 f508a11b1125acc22b33a4e595c79ebfd8b4ac54
    a8f75e97e3987c78de4f06e373ac0d030c6da560 4f91eb5ac4bf4657375518cc969b8cbfc1dd6f67
    3a7e5988f9b7e2e8872256d95bbc417846633e32 e53ac12ea37117e37f55277e1a12b853e0eda64a
    92f9117a923b0a13a2d9abebe7f1d4cc5828d4e1 92b089ef1d133ea3afa71cd3a3b0cb2fb9b80d71
    ccc518a5997464520f7c8875c9c7bc0987d2eba4 a805657f0b670840cd6cd6289378683f05b91282
    d08288c6b17ae8526f427312a9db64308eda9071 1837e6f79f22285ee755205a2b9e92cfcdaf1fb6
    94b6948033019aaa6a56672938e3289c282af44c c83cf13715b9cd63c79249a930d38dcec62dbe83
    d2ae6f52a88a01ffb5ddedcf7d5749c6cfda967c 17699fb0bd928d6582b7a1e2db7fee3ad911684a
"""

_LITE_HASHES = """
    57505b375cd55ae7379df73c2b1937ec4fe026b6 4b5ca8e0160b56ce9d49b3186a9ceeb0cb3a7e9f
    7874cec6058016ecb08b6ded9315bf5601a64645 b56e5a46914728c09ee349e70059893124f9be37
    e0bb7a4663506a0826ac3cfe3cc534d5981c0c62 525f26466c82d0b3add82aa721155907cd9df386
    197c5ae2afcca0f9ba12cd8ed562489751a5f10b 7ce042db9f4d2df8d39fd9113926ed19575e7ec6
    ca755ae6a9d42652c49b8168a1905fec62c0b49e f1c6871d0352b35580fd6403291e717a8d15054d
    5a736a37139395560f563065d8330522832765d2 b96ac311af0ec877b7d590d031f0f23264198c71
    54850b980e3ea08c9065b9568d72a544064f2294 23d3f87e20c7e122e52557f667833e6b371c4141
    09d94d94e7233b378846d130be7bc453fb731c08 aa395d6330a92a9bb9b09b1ca080f35ba1ed4570
    2ecbfb84825875742019a21868814e1c7f6a6ddd 4490ef1fa6b1af34c92a1bbceda26c7e0bee0086
    6ad0490283e41abbdf2d5c58586308eacdde1974 1368ffd82fa6691e1a4d013872e1900b086ad179
    0aee06a459f775504f456622671f6a0f1173ad50 130cc6a1b90e3dbf61ab2bd7eb54e0208516764e
    d70939338892452ba7df22092389b69616931546 c33163a3dca26d7499087ceb440d3fd24351c35a
    9f8cb7341958195b0516865d4f98dbc798228968 a3a16238b9a13b79f8ee1d3db10676a48e40eb1c
    f8bd56bf08fe1ae8f2e73634d7ba0df9afb514d9 259d82cd82708359baf16090f1419cce23d17ede
"""


def _parts(name: str, hashes: str) -> tuple[tuple[str, str], ...]:
    """Return name and hash of each part; ``split`` has named them by two letters, from "aa" on."""
    suffixes = (first + second for first in ascii_lowercase for second in ascii_lowercase)
    return tuple(
        (f"{name}.tar.xz{suffix}", blob_sha1) for suffix, blob_sha1 in zip(suffixes, hashes.split(), strict=False)
    )


ARCHIVES = {
    "full": PublishedArchive(
        name="AFAD-Full",
        base_url="https://github.com/afad-dataset/tarball/raw/0511da136747c31c7f9a7efdde44e0c8f902457b",
        parts=_parts("AFAD-Full", _FULL_HASHES),
        md5="22ff8bcf4acf6e5911ff75a537d5ba91",
        pictures=165_501,
    ),
    "lite": PublishedArchive(
        name="AFAD-Lite",
        base_url="https://github.com/afad-dataset/tarball-lite/raw/a30a0a56e9b4f81057a342249b5953e605b5dc92",
        parts=_parts("AFAD-Lite", _LITE_HASHES),
        md5="e0b3ac0d6017daa556cf49d911975f50",
        pictures=59_344,
    ),
}
"""What the authors of AFAD publish, at the commits that the Git hashes belong to. For academic research only."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asianage import ModelFormatError
from asianage.models import litert
from asianage.models.folder import NETWORK
from asianage.models.litert import LiteRTNetwork, averaged_with_mirror
from asianage.models.pretrained import open_model

SIZE, AGES = 96, 101
CONTENT = open_model("compact").read(NETWORK)
"""A network of bytes; what needs another one makes it with Keras."""

TINY_SIZE, TINY_AGES = 32, 11


def crops(count: int, seed: int = 0, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def load(content: bytes = CONTENT, **options: Any) -> LiteRTNetwork:
    return LiteRTNetwork(content, **{"source": "model.tflite", "image_size": SIZE, "num_ages": AGES, **options})


@pytest.fixture(scope="module")
def keras_network() -> Any:
    """A tiny network whose every weight and statistic is random."""
    keras = pytest.importorskip("keras", reason="needs the extra train")
    from asianage.networks.residual import residual_network

    keras.utils.set_random_seed(0)
    network = residual_network(image_size=TINY_SIZE, num_ages=TINY_AGES, widths=(4, 8), blocks=(0, 1))
    random = np.random.default_rng(0)
    for variable in network.variables:
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(random.uniform(0.5, 2.0, variable.shape))
        elif "kernel" not in variable.path and "seed" not in variable.path:
            variable.assign(random.normal(0.0, 0.5, variable.shape))
    return network


@pytest.fixture(scope="module")
def float_content(keras_network: Any) -> bytes:
    """The tiny network as a flatbuffer of float32."""
    from asianage.training.export.litert import to_tflite

    return to_tflite(keras_network)


@pytest.fixture(scope="module", params=["int8", "float32"])
def network_and_size(request: pytest.FixtureRequest) -> tuple[LiteRTNetwork, int]:
    if request.param == "int8":
        return load(), SIZE
    content = request.getfixturevalue("float_content")
    return load(content, image_size=TINY_SIZE, num_ages=TINY_AGES), TINY_SIZE


# --- numerics ----------------------------------------------------------------------------------------------------


def test_float32_gives_what_keras_gives(keras_network: Any, float_content: bytes) -> None:
    images = crops(32, size=TINY_SIZE)
    age_logits, gender_logits = load(float_content, image_size=TINY_SIZE, num_ages=TINY_AGES)(images)
    expected = keras_network.predict_on_batch(images.astype(np.float32))
    np.testing.assert_allclose(age_logits, expected["age_logits"], atol=1e-4)
    np.testing.assert_allclose(gender_logits, expected["gender_logit"][:, 0], atol=1e-4)
    # The comparison means something: the logits differ from age to age and from crop to crop.
    assert age_logits.std(axis=1).min() > 0.1
    assert gender_logits.std() > 1e-3


def test_any_number_of_crops_gives_the_results_of_single_crops(network_and_size: tuple[LiteRTNetwork, int]) -> None:
    network, size = network_and_size
    images = crops(40, size=size)
    alone = [network(images[index : index + 1]) for index in range(40)]
    for count in [*range(6), 31, 32, 33, 40]:
        age_logits, gender_logits = network(images[:count])
        assert age_logits.shape == (count, alone[0][0].shape[1])
        assert gender_logits.shape == (count,)
        assert age_logits.dtype == gender_logits.dtype == np.float32
        for index in range(count):
            np.testing.assert_allclose(age_logits[index], alone[index][0][0], atol=1e-5)
            np.testing.assert_allclose(gender_logits[index], alone[index][1][0], atol=1e-5)


def test_features_are_those_of_the_network(keras_network: Any, float_content: bytes) -> None:
    from asianage.networks.heads import features_network

    network = load(float_content, image_size=TINY_SIZE, num_ages=TINY_AGES)
    pictures = crops(5, size=TINY_SIZE)
    assert network.feature_width == 8
    expected = features_network(keras_network).predict_on_batch(pictures.astype(np.float32))
    np.testing.assert_allclose(network.features(pictures), expected, rtol=1e-4, atol=1e-5)


def test_a_flatbuffer_takes_one_crop(float_content: bytes) -> None:
    from ai_edge_litert.interpreter import Interpreter

    (details,) = Interpreter(model_content=float_content).get_input_details()
    assert details["shape_signature"].tolist() == [1, TINY_SIZE, TINY_SIZE, 3]


def test_results_stay_when_the_network_runs_again() -> None:
    network = load()
    for count in (1, 32):
        age_logits, gender_logits = network(crops(count))
        before = age_logits.copy(), gender_logits.copy()
        network(crops(count, seed=1))
        np.testing.assert_array_equal(age_logits, before[0])
        np.testing.assert_array_equal(gender_logits, before[1])


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_the_number_of_threads_does_not_matter(threads: int | None) -> None:
    expected, _ = load(num_threads=1)(crops(40))
    np.testing.assert_allclose(load(num_threads=threads)(crops(40))[0], expected, atol=1e-5)


def test_one_network_serves_several_threads() -> None:
    network = load()
    counts = [1, 3, 8, 9, 0, 5]
    expected = [network(crops(count, seed=count)) for count in counts]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda index: network(crops(counts[index % 6], seed=counts[index % 6])), range(30)))
    for index, (age_logits, gender_logits) in enumerate(results):
        np.testing.assert_allclose(age_logits, expected[index % 6][0], atol=1e-5)
        np.testing.assert_allclose(gender_logits, expected[index % 6][1], atol=1e-5)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many crops were being computed whenever one more began; each takes a while longer than it needs."""
    counts, active, lock = [], [0], threading.Lock()
    run = litert._Interpreter.invoke

    def counted(interpreter: Any, crop: np.ndarray) -> Any:
        with lock:
            active[0] += 1
            counts.append(active[0])
        time.sleep(0.05)
        try:
            return run(interpreter, crop)
        finally:
            with lock:
                active[0] -= 1

    monkeypatch.setattr(litert._Interpreter, "invoke", counted)
    return counts


@pytest.mark.parametrize("threads", [1, 3])
def test_as_many_crops_as_threads_are_computed_at_once(at_once: list[int], threads: int) -> None:
    network = load(num_threads=threads)
    network(crops(12))
    assert max(at_once) == threads
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda count: network(crops(count)), [1, 5, 12, 1]))
    assert max(at_once) == threads


def test_a_call_that_fails_leaves_the_network_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load(num_threads=2)
    expected, _ = network(crops(4))
    with monkeypatch.context() as patch:
        patch.setattr(litert._Interpreter, "invoke", lambda *_: 1 / 0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                network(crops(4))
    np.testing.assert_array_equal(network(crops(4))[0], expected)


def test_bytes_and_floats_of_the_same_value_give_the_same(network_and_size: tuple[LiteRTNetwork, int]) -> None:
    network, size = network_and_size
    images = crops(3, size=size)
    expected = network(images)
    for same in (images.astype(np.float32), images.astype(np.float64)):
        np.testing.assert_array_equal(network(same)[0], expected[0])
        np.testing.assert_array_equal(network(same)[1], expected[1])


def test_floats_are_rounded_for_a_network_of_bytes() -> None:
    network = load()

    def gray(*levels: float) -> np.ndarray:
        return np.broadcast_to(np.array(levels, np.float32)[:, None, None, None], (len(levels), SIZE, SIZE, 3))

    levels = range(0, 256, 5)
    whole, _ = network(gray(*levels))
    assert (whole[1:] != whole[:-1]).any()
    for offset in (-0.4, 0.4):
        np.testing.assert_array_equal(network(gray(*(level + offset for level in levels)))[0], whole)
    np.testing.assert_array_equal(network(gray(-30.0, 270.0))[0], whole[[0, -1]])


def test_any_layout_in_memory_is_taken(network_and_size: tuple[LiteRTNetwork, int]) -> None:
    network, size = network_and_size
    images = crops(4, size=size)
    expected = network(np.ascontiguousarray(images[:, :, ::-1]))[0]
    np.testing.assert_array_equal(network(images[:, :, ::-1])[0], expected)
    images.flags.writeable = False
    np.testing.assert_array_equal(network(images[:, :, ::-1])[0], expected)


def test_logits_are_averaged_with_those_of_the_mirror_image() -> None:
    network = load()
    ages, genders = averaged_with_mirror(network, crops(3))
    mirrored = averaged_with_mirror(network, crops(3)[:, :, ::-1])
    np.testing.assert_allclose(ages, mirrored[0], atol=1e-5)
    np.testing.assert_allclose(genders, mirrored[1], atol=1e-5)
    assert np.abs(ages - network(crops(3))[0]).max() > 1e-3


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 95, 96, 3), (2, 96, 96, 1), (96, 96, 3), (2, 3, 96, 96), (0,)])
def test_crops_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(n, 96, 96, 3\)\. Received"):
        load()(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("threads", [0, -1])
def test_a_number_of_threads_below_one_is_refused(threads: int) -> None:
    with pytest.raises(ValueError, match=f"num_threads.*Received: {threads}"):
        load(num_threads=threads)


@pytest.mark.parametrize("options", [{"image_size": 97}, {"num_ages": 102}, {"image_size": 64, "num_ages": 11}])
def test_a_network_of_another_form_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ModelFormatError, match=r"model\.tflite is not a network from crops.*Fetch the model again"):
        load(**options)


def test_a_flatbuffer_that_is_no_network_is_refused() -> None:
    with pytest.raises(ModelFormatError, match=r"model\.tflite is not a network that can be run"):
        load(b"not a network")


DAMAGE = """
import sys
from pathlib import Path
import numpy as np
from asianage.errors import ModelFormatError
from asianage.models.litert import LiteRTNetwork

content = Path(sys.argv[1]).read_bytes()
random = np.random.default_rng(0)
refused = 0
for number in range(150):
    data = bytearray(content)
    if number < 30:
        del data[int(random.integers(0, len(data))):]
    elif number < 60:
        start = int(random.integers(0, len(data)))
        del data[start : start + int(random.integers(1, 500))]
    else:
        for _ in range(int(random.integers(1, 20))):
            data[random.integers(0, len(data))] = random.integers(0, 256)
    try:
        network = LiteRTNetwork(bytes(data), source="test", image_size=32, num_ages=11, num_threads=1)
        network(np.zeros((3, 32, 32, 3), np.uint8))
    except ModelFormatError:
        refused += 1
print(refused)
"""


def test_a_damaged_network_runs_or_is_refused_but_does_not_end_the_process(
    float_content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "model.tflite").write_bytes(float_content)
    arguments = [sys.executable, "-c", DAMAGE, str(tmp_path / "model.tflite")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) >= 60


# --- output ------------------------------------------------------------------------------------------------------


def test_nothing_is_announced_on_standard_error() -> None:
    code = "from asianage import AgeGenderEstimator; AgeGenderEstimator()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""

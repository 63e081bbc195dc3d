from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from asianage import ModelFormatError
from asianage.models import litert as runtime
from asianage.models.litert import LiteRTNetwork, usable_processors
from asianage.networks.residual import residual_network
from asianage.training.export.litert import to_tflite

SIZE, AGES = 32, 11


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def keras_network() -> keras.Model:
    """A tiny network whose every weight and statistic is random."""
    keras.utils.set_random_seed(0)
    network = residual_network(image_size=SIZE, num_ages=AGES, widths=(4, 8), blocks=(0, 1))
    random = np.random.default_rng(0)
    for variable in network.variables:
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(random.uniform(0.5, 2.0, variable.shape))
        elif "kernel" not in variable.path and "seed" not in variable.path:
            variable.assign(random.normal(0.0, 0.5, variable.shape))
    return network


@pytest.fixture(scope="module")
def float_path(keras_network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("float32") / "model.tflite"
    path.write_bytes(to_tflite(keras_network))
    return path


@pytest.fixture(scope="module")
def int8_path(keras_network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "model.tflite"
    path.write_bytes(to_tflite(keras_network, quantization="int8", samples=crops(64, seed=9)))
    return path


def load(path: Path, **options: int | None) -> LiteRTNetwork:
    return LiteRTNetwork(path.read_bytes(), **{"source": str(path), "image_size": SIZE, "num_ages": AGES, **options})


# --- numerics ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 32])
def test_float32_gives_what_keras_gives(keras_network, float_path, count):
    age_logits, gender_logits = load(float_path)(crops(count))
    expected = keras_network.predict_on_batch(crops(count).astype(np.float32))
    np.testing.assert_allclose(age_logits, expected["age_logits"], atol=1e-4)
    np.testing.assert_allclose(gender_logits, expected["gender_logit"][:, 0], atol=1e-4)
    # The comparison means something: the logits differ from age to age and from crop to crop.
    assert age_logits.std(axis=1).min() > 0.1
    assert count == 1 or gender_logits.std() > 1e-3


def test_int8_is_close_to_keras(keras_network, int8_path):
    age_logits, _ = load(int8_path)(crops(40))
    expected = keras_network.predict_on_batch(crops(40).astype(np.float32))["age_logits"]
    assert np.abs(age_logits - expected).mean() < 0.1 * expected.std()


@pytest.mark.parametrize("kind", ["float_path", "int8_path"])
def test_any_number_of_crops_gives_what_each_alone_gives(kind, request):
    network = load(request.getfixturevalue(kind))
    images = crops(70)
    alone = [network(images[index : index + 1]) for index in range(70)]
    for count in [*range(6), 31, 32, 33, 40, 63, 64, 65, 70]:
        age_logits, gender_logits = network(images[:count])
        assert age_logits.shape == (count, AGES)
        assert gender_logits.shape == (count,)
        assert age_logits.dtype == gender_logits.dtype == np.float32
        for index in range(count):
            np.testing.assert_allclose(age_logits[index], alone[index][0][0], atol=1e-5)
            np.testing.assert_allclose(gender_logits[index], alone[index][1][0], atol=1e-5)


def test_results_stay_when_the_network_runs_again(float_path):
    network = load(float_path)
    for count in (1, 32):
        age_logits, gender_logits = network(crops(count))
        before = age_logits.copy(), gender_logits.copy()
        network(crops(count, seed=1))
        np.testing.assert_array_equal(age_logits, before[0])
        np.testing.assert_array_equal(gender_logits, before[1])


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_the_number_of_threads_does_not_matter(float_path, threads):
    expected, _ = load(float_path, num_threads=1)(crops(40))
    np.testing.assert_allclose(load(float_path, num_threads=threads)(crops(40))[0], expected, atol=1e-5)


def test_one_network_serves_several_threads(float_path):
    network = load(float_path)
    counts = [1, 3, 32, 35, 0, 64]
    expected = [network(crops(count, seed=count)) for count in counts]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda index: network(crops(counts[index % 6], seed=counts[index % 6])), range(60)))
    for index, (age_logits, gender_logits) in enumerate(results):
        np.testing.assert_allclose(age_logits, expected[index % 6][0], atol=1e-5)
        np.testing.assert_allclose(gender_logits, expected[index % 6][1], atol=1e-5)


@pytest.fixture
def at_once(monkeypatch) -> list[int]:
    """How many crops were being computed whenever one more began; each takes a while longer than it needs."""
    counts, active, lock = [], [0], threading.Lock()
    run = runtime._Interpreter.run

    def counted(interpreter, crop):
        with lock:
            active[0] += 1
            counts.append(active[0])
        time.sleep(0.01)
        try:
            return run(interpreter, crop)
        finally:
            with lock:
                active[0] -= 1

    monkeypatch.setattr(runtime._Interpreter, "run", counted)
    return counts


@pytest.mark.parametrize("threads", [1, 3])
def test_as_many_crops_as_threads_are_computed_at_once(float_path, at_once, threads):
    network = load(float_path, num_threads=threads)
    network(crops(12))
    assert max(at_once) == threads
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda count: network(crops(count)), [1, 5, 12, 1]))
    assert max(at_once) == threads


def test_a_call_that_fails_leaves_the_network_usable(float_path, monkeypatch):
    network = load(float_path, num_threads=2)
    expected, _ = network(crops(4))
    with monkeypatch.context() as patch:
        patch.setattr(runtime._Interpreter, "run", lambda *_: 1 / 0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                network(crops(4))
    np.testing.assert_array_equal(network(crops(4))[0], expected)


@pytest.mark.parametrize("kind", ["float_path", "int8_path"])
def test_bytes_and_floats_of_the_same_value_give_the_same(kind, request):
    network = load(request.getfixturevalue(kind))
    expected = network(crops(3))
    for given in (crops(3).astype(np.float32), crops(3).astype(np.float64)):
        np.testing.assert_array_equal(network(given)[0], expected[0])
        np.testing.assert_array_equal(network(given)[1], expected[1])


def test_floats_are_rounded_for_a_network_of_bytes(int8_path):
    network = load(int8_path)

    def grey(*levels: float) -> np.ndarray:
        return np.broadcast_to(np.array(levels, np.float32)[:, None, None, None], (len(levels), SIZE, SIZE, 3))

    whole, _ = network(grey(*range(256)))
    assert (whole[1:] != whole[:-1]).any()
    for offset in (-0.4, 0.4):
        np.testing.assert_array_equal(network(grey(*(level + offset for level in range(256))))[0], whole)
    np.testing.assert_array_equal(network(grey(-30.0, 270.0))[0], whole[[0, 255]])


def test_any_layout_in_memory_is_taken(float_path):
    network = load(float_path)
    images = crops(4)
    expected = network(np.ascontiguousarray(images[:, :, ::-1]))[0]
    np.testing.assert_array_equal(network(images[:, :, ::-1])[0], expected)
    images.flags.writeable = False
    np.testing.assert_array_equal(network(images[:, :, ::-1])[0], expected)


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 31, 32, 3), (2, 32, 32, 1), (32, 32, 3), (2, 3, 32, 32), (0,)])
def test_crops_of_another_shape_are_refused(float_path, shape):
    with pytest.raises(ValueError, match=r"shape \(n, 32, 32, 3\)\. Received"):
        load(float_path)(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("threads", [0, -1])
def test_a_number_of_threads_below_one_is_refused(float_path, threads):
    with pytest.raises(ValueError, match=f"num_threads.*Received: {threads}"):
        load(float_path, num_threads=threads)


def test_a_network_of_another_form_is_refused(float_path, keras_network, tmp_path):
    for options in ({"image_size": 33}, {"num_ages": 12}, {"image_size": 64, "num_ages": 101}):
        with pytest.raises(ModelFormatError, match="Fetch the model again"):
            load(float_path, **options)
    one_output = keras.Model(keras_network.inputs, keras_network.outputs[0])
    (tmp_path / "one.tflite").write_bytes(to_tflite(one_output))
    with pytest.raises(ModelFormatError, match="Fetch the model again"):
        load(tmp_path / "one.tflite")


@pytest.mark.parametrize("content", [b"", b"abc", b"\x00\x00\x00\x00TFL3", b"not a network" * 1000, bytes(50_000)])
def test_a_file_that_is_no_network_is_refused(tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"model\.tflite"):
        load(path)


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
        network(np.zeros((33, 32, 32, 3), np.uint8))
    except ModelFormatError:
        refused += 1
print(refused)
"""


@pytest.mark.parametrize("kind", ["float_path", "int8_path"])
def test_a_damaged_network_runs_or_is_refused_but_does_not_end_the_process(kind, request):
    arguments = [sys.executable, "-c", DAMAGE, str(request.getfixturevalue(kind))]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) >= 60


# --- processors --------------------------------------------------------------------------------------------------


def test_processors_are_those_that_the_process_may_use(monkeypatch):
    assert usable_processors() >= 1
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert usable_processors() == 3
    monkeypatch.delattr(runtime.os, "sched_getaffinity")
    monkeypatch.setattr(runtime.os, "cpu_count", lambda: None)
    assert usable_processors() == 1

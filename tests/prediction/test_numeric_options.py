from __future__ import annotations

import numpy as np
import pytest

from asianage.prediction.numeric_options import WHOLE, check_number


@pytest.mark.parametrize("value", [None, 1, 7, np.int64(3)])
def test_whole_numbers_in_the_range_pass(value):
    check_number("max_faces", value, WHOLE, least=1, whole=True)


@pytest.mark.parametrize("value", [0, -1, 2.5, 2.0, "3", True, np.bool_(True), float("nan"), [1]])
def test_what_is_no_whole_number_in_the_range_is_refused(value):
    with pytest.raises(ValueError, match=r"`max_faces` must be None, or a whole number of 1 or more\. Received: "):
        check_number("max_faces", value, WHOLE, least=1, whole=True)


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.5)])
def test_fractions_pass_where_they_may(value):
    check_number("score_threshold", value, "lie in [0, 1]", least=0, most=1)


@pytest.mark.parametrize("value", [None, "0.5", -0.1, 1.1, float("nan"), False])
def test_a_number_that_is_required_is_checked_likewise(value):
    with pytest.raises(ValueError, match=r"`share` must lie in \[0, 1\]\. Received: "):
        check_number("share", value, "lie in [0, 1]", least=0, most=1, optional=False)

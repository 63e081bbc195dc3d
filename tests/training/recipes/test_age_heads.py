from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("keras", reason="needs the extra train")

from asianage.training.recipes import RECIPES

HEADS = [RECIPES[f"residual-{name}"] for name in ("regression", "cross-entropy", "label-distribution", "ordinal")]


def test_the_heads_are_compared_on_one_schedule():
    first, *others = [recipe.to_dict() for recipe in HEADS]
    differ = {key for other in others for key in first if other[key] != first[key]}
    assert differ == {"name", "network", "age_loss"}
    assert all(set(recipe.network) == {"head"} for recipe in HEADS)
    assert len({type(recipe.age_loss) for recipe in HEADS}) == 4


@pytest.mark.parametrize("recipe", HEADS, ids=lambda recipe: recipe.name)
def test_every_head_has_the_raw_output_of_its_loss(recipe):
    from asianage.networks.heads import RAW_OUTPUTS, training_network
    from asianage.training.fit.network import build_network

    tiny = replace(recipe, network={**recipe.network, "widths": (4,), "blocks": (0,)})
    assert set(training_network(build_network(tiny)).output) == {RAW_OUTPUTS[recipe.age_loss.head], "gender_logit"}

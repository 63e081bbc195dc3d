"""The study's recipes with tiny networks."""

from __future__ import annotations

from dataclasses import replace

from asianage.training.recipes import StagedRecipe

NETWORKS = {"simple_cnn": {"filters": (4, 4), "units": (8, 4)}, "vggface": {"units": (8, 4)}}


def tiny(recipe):
    """Return a recipe for a tiny network, or of three tiny networks."""
    if isinstance(recipe, StagedRecipe):
        return replace(recipe, stages=tuple(replace(stage, recipe=tiny(stage.recipe)) for stage in recipe.stages))
    return replace(
        recipe,
        network={**recipe.network, **NETWORKS[recipe.architecture]},
        pretrained="",
        faces=replace(recipe.faces, image_size=32),
        optimizer=replace(recipe.optimizer, learning_rate=1e-2),
        epochs=2,
        batch_size=8,
        patience=0,
        dtype_policy="float32",
    )

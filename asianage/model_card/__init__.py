"""The README.md of a model folder: a model card whose first lines are metadata that the Hugging Face Hub reads."""

from asianage.model_card.card import is_generated, model_card

__all__ = ["is_generated", "model_card"]

"""Placeholder, replaced below."""


def model_card(config, metrics):
    """Return the text of README.md."""
    return f"# {config.name}\n"

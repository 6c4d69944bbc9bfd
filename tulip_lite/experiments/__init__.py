"""From a recipe or a stored network to result files: what the commands of `python -m tulip_lite` do."""

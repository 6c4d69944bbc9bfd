"""Attacks of others, each behind a wrapper that believes nothing it did not recompute."""

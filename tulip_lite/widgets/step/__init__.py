"""The step h: how wrong a difference quotient is, against its step, in three precisions."""

from tulip_lite.widgets.step.state import StepExplorer, measured, quotient

__all__ = ["StepExplorer", "measured", "quotient"]

"""The attack viewer: what an attack did to an image, and what the network says at any radius along its perturbation."""

from tulip_lite.widgets.viewer.state import AttackViewer

__all__ = ["AttackViewer"]

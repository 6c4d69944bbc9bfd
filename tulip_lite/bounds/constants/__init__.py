"""Estimates of the constants L and C of Prop. 2.1 around an image: sampled, ascended, extrapolated."""

"""The HOI optimizer (eqs. 4, 13-20) and smoothing."""

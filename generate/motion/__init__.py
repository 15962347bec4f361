"""From a plan and a shape to a motion: timeline, stances and footsteps, postures, and space-time optimisation."""

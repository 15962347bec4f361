"""Training, evaluation, verdict and report of imitation policies."""

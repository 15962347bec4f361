"""Video and sparse contact points to motion (4DHOISolver, InterPoint). Empty so far."""

"""Video and sparse contact points to motion (4DHOISolver, InterPoint): body, object and contacts, before physics."""

"""Runs and cards side by side: what differs in their recipes, whether their figures may be compared, and which won."""

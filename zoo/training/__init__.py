"""Recipes, Lightning's command line and checkpoints."""

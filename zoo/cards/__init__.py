"""A published model: its card, weights, configuration, figures and samples."""

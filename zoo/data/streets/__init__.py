"""Street scenes drawn by the program: pictures with exact annotations that need no download."""

from zoo.data.streets.scene import draw_street

__all__ = ["draw_street"]

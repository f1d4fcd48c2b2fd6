"""The one exception that the command turns into a line and exit code 2."""


class ZooError(Exception):
    """An error a user can cause. Its text is one to three lines that name the thing and the way out."""

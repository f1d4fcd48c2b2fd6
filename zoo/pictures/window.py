"""A window that shows frames, by Tk, which comes with Python: the OpenCV that the zoo installs has no windows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from PIL import Image

from zoo.base.errors import ZooError

if TYPE_CHECKING:
    import numpy as np

MOST = 0.9  # of the screen's width and height
KEYS = ("q", "Q", "Escape")  # which close the window


class Window:
    """A window on the screen; only the thread that made it may use it.

    Args:
        title: text of its title.

    Raises:
        ZooError: there is no display, or Python lacks Tk.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError:
            raise ZooError("this Python has no Tk") from None
        try:
            self._root = tkinter.Tk(className="zoo")
        except tkinter.TclError:
            raise ZooError("there is no display") from None
        self.open, self._gone = True, tkinter.TclError
        self._make: Any = ImageTk.PhotoImage
        self._shown: Any = None
        self._label = tkinter.Label(self._root, text=title, padx=60, pady=40, borderwidth=0)
        self._label.pack()
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self._end)
        for key in KEYS:
            self._root.bind(f"<{key}>", self._end)
        self.attend()

    def _end(self, *_: object) -> None:
        self.open = False

    def show(self, frame: np.ndarray, title: str) -> None:
        """Shows a frame ``(H, W, 3)`` uint8, made smaller where the screen is."""
        picture = Image.fromarray(frame)
        screen = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        picture.thumbnail((int(MOST * screen[0]), int(MOST * screen[1])), Image.Resampling.BOX)
        if self._shown is None or (self._shown.width(), self._shown.height()) != picture.size:
            self._shown = self._make(picture, master=self._root)
            self._label.configure(image=self._shown, padx=0, pady=0)
        else:
            self._shown.paste(picture)
        self._root.title(title)
        self.attend()

    def attend(self) -> bool:
        """Lets the window answer to its user; gives whether it is still open."""
        try:
            self._root.update()
        except self._gone:  # the display ended
            self.open = False
        return self.open

    def close(self) -> None:
        """Takes the window from the screen."""
        self._shown = None
        with suppress(self._gone):
            self._root.destroy()

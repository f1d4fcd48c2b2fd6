"""How Sphinx builds the site; :mod:`pages` writes what is generated first."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402

from zoo import __version__  # noqa: E402

project = "zoo"
author = "the zoo's authors"
copyright = author  # noqa: A001  Sphinx calls it so
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "_extra"]
html_extra_path = ["_extra"] if (HERE / "_extra").is_dir() else []  # the pages of zoo demo
myst_heading_anchors = 3
autodoc_inherit_docstrings = False  # Lightning's refer to its own pages
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_use_ivar = True  # attributes of a class are not documented a second time

smartquotes = False  # which would make one dash of the two that options begin with
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_title = f"zoo {version}"
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False


def unannotated(text: str) -> str:
    """A signature in which each ``Annotated[X, ...]`` is X."""
    before, opening, rest = text.partition("~typing.Annotated[")
    if not opening:
        return text
    depth, comma, end = 1, -1, len(rest)
    for i, letter in enumerate(rest):
        depth += (letter in "[(") - (letter in "])")
        if comma < 0 and depth == 1 and letter == ",":
            comma = i
        if not depth:
            end = i
            break
    return before + unannotated(rest[:comma]) + unannotated(rest[end + 1 :])


def setup(app: object) -> None:
    """What Sphinx calls first."""
    pages.write(HERE)
    app.connect(  # type: ignore[attr-defined]
        "autodoc-process-signature",
        lambda _app, _what, _name, _object, _options, given, returned: (given and unannotated(given), returned),
    )

"""The house itself: no import circle, few rooms, short functions."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import grimp
import pytest

import zoo

ROOT = Path(zoo.__file__).parent
LONGEST_FUNCTION = 40  # lines beside the docstring
LONGEST_FILE = 300
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def imports() -> dict[str, set[str]]:
    """What each module imports, also inside functions and for type checkers; that of a package is its own."""
    graph = grimp.build_graph("zoo", cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_module_imports_itself_through_others():
    graphlib.TopologicalSorter(imports()).prepare()


def test_a_circle_would_be_found():
    assert len(imports()) > 100
    circle = {**imports(), "zoo.base.errors": {"zoo.commands.main"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(circle).prepare()


def test_imports_inside_functions_and_for_type_checkers_count():
    found = imports()
    assert "zoo.cards.weights" in found["zoo"]  # inside zoo.load
    assert "zoo.models.base" in found["zoo"]  # under TYPE_CHECKING


def test_there_are_sixteen_rooms():
    entries = {path.name for path in ROOT.iterdir()} - {"__pycache__", "_bundled", "py.typed"}
    rooms = "base benchmark cards collect commands compare data doctor engines exports hub models nn pictures "
    rooms += "serving training"
    assert entries == {"__init__.py", *rooms.split()}


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or 0) - docstring.lineno + 1)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_functions_and_files_are_short(path: Path):
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, FUNCTIONS) and code_lines(node) > LONGEST_FUNCTION
    ]
    assert not long


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pictures_are_opened_in_one_place(path: Path):
    """Where the formats are listed: Pillow alone would hand a file called cat.jpg to Ghostscript."""
    opened = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in ("Image.open", "PIL.Image.open", "cv2.imread"))
        or (isinstance(node, ast.ImportFrom) and node.module == "PIL.Image" and "open" in [n.name for n in node.names])
    ]
    assert len(opened) == (path == ROOT / "pictures" / "images.py")

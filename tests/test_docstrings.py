"""Public docstrings begin with a verb or a noun phrase, not with "What", and state shape and kind of every array taken or given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
VHI = TESTS.parent / "apps" / "vhi"
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_ARRAY = re.compile(r"\b(ndarray|ArrayLike|Tensor)\b")
_AXIS = r"[\w.]+(?:\(\w+\))?(?: [+*/]+ \w+)?"
# `(I, J, K)`, `(lesions + 1,)`, `(..., 3)`, or the word
_SHAPE = re.compile(rf"\((?:{_AXIS},|{_AXIS}(?:, {_AXIS})+)\)|\bshapes?\b")
# a shape that holds for all arrays of a function
_COMMON_SHAPE = re.compile(r"\b(one|same|the|their) shape\b|\bshapes?\b.{0,12} as in\b|\bAll are\b")
# a unit, a type, or the kind of the values
_KIND = re.compile(
    r"\[[^\]]+\]|\b0 to 1\b|\bas (it is|they are)\b|\b(bool|integers|u?ints?\d*|float\d*|whole numbers|types?|units?|mm3?|cm|ml|minutes"
    r"|voxels|indices|index|ids|labels|grades?|masks?|images?|intensit(y|ies)|probabilit(y|ies)|shares?|cover|Dice|scores?|responses?"
    r"|depth|logarithms?|degrees of freedom|activations|weights|objects)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Definition:
    """A module, class or function; `owner` is the class around a method."""

    place: str
    name: str
    node: ast.Module | Documented
    owner: ast.ClassDef | None = None

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""


def definitions(path: Path) -> Iterator[Definition]:
    """The module, its public classes and functions, and the methods of those classes that are public or called by operators."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    place = str(path.relative_to(VHI))
    yield Definition(place, "module", tree)

    def inside(parent: ast.AST, prefix: str, owner: ast.ClassDef | None) -> Iterator[Definition]:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, Documented) and (not node.name.startswith("_") or node.name.startswith("__")):
                yield Definition(place, prefix + node.name, node, owner)
                if isinstance(node, ast.ClassDef):
                    yield from inside(node, f"{prefix}{node.name}.", node)

    yield from inside(tree, "", None)


@pytest.fixture(scope="module")
def public() -> list[Definition]:
    return [found for path in sorted(VHI.rglob("*.py")) for found in definitions(path)]


def text_of(node: ast.AST) -> str:
    """A docstring, of a class with those of its attributes."""
    body = node.body if isinstance(node, ast.ClassDef) else node.body[:1]
    strings = (part.value for part in body if isinstance(part, ast.Expr))
    return " ".join(string.value for string in strings if isinstance(string, ast.Constant) and isinstance(string.value, str))


def types_of(node: ast.Module | Documented) -> str:
    """The types in a function's signature, or of a class's attributes."""
    if isinstance(node, ast.Module):
        return ""
    if isinstance(node, ast.ClassDef):
        annotations = [part.annotation for part in node.body if isinstance(part, ast.AnnAssign)]
    else:
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        annotations = [
            *(argument.annotation for argument in arguments if argument.annotation),
            *([node.returns] if node.returns else []),
        ]
    return " ".join(ast.unparse(annotation) for annotation in annotations)


def explained(found: Definition, classes: dict[str, ast.ClassDef]) -> str:
    """The words that hold for a definition: of an override without its own those of the base, of a call those of the class."""
    own = text_of(found.node)
    if own or found.owner is None:
        return own
    name = found.node.name
    said = text_of(found.owner) if name.startswith("__") or name == "forward" else ""
    bases = [classes[base.id] for base in found.owner.bases if isinstance(base, ast.Name) and base.id in classes]
    return said + " ".join(text_of(part) for base in bases for part in base.body if getattr(part, "name", None) == name)


@pytest.mark.slow
def test_no_public_docstring_begins_with_what(public):
    assert [f"{found.place} {found.name}" for found in public if re.match(r"What\b", found.docstring)] == []
    assert sum(bool(found.docstring) for found in public) > 2000  # the tree was read


@pytest.mark.slow
def test_no_docstring_of_the_tests_begins_with_what_either():
    read = [(path.name, node) for path in sorted(TESTS.rglob("*.py")) for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    texts = [(name, ast.get_docstring(node) or "") for name, node in read if isinstance(node, Documented | ast.Module)]
    assert [f"{name} {text}" for name, text in texts if re.match(r"What\b", text)] == []
    assert len(texts) > 3000  # the tree was read


def test_who_takes_or_gives_an_array_states_its_shape(public):
    classes = {found.node.name: found.node for found in public if isinstance(found.node, ast.ClassDef)}
    arrays = [found for found in public if _ARRAY.search(types_of(found.node))]
    assert [f"{found.place} {found.name}" for found in arrays if not _SHAPE.search(explained(found, classes))] == []
    assert len(arrays) > 350


def test_who_takes_or_gives_an_array_states_the_unit_or_the_kind_of_its_values(public):
    classes = {found.node.name: found.node for found in public if isinstance(found.node, ast.ClassDef)}
    arrays = [found for found in public if _ARRAY.search(types_of(found.node))]
    assert [f"{found.place} {found.name}" for found in arrays if not _KIND.search(explained(found, classes))] == []


def test_of_several_arrays_each_is_named_or_has_a_shape(public):
    classes = {found.node.name: found.node for found in public if isinstance(found.node, ast.ClassDef)}
    several, unsaid = 0, []
    for found in public:
        if isinstance(found.node, ast.FunctionDef):
            arguments = (*found.node.args.posonlyargs, *found.node.args.args, *found.node.args.kwonlyargs)
            arrays = [one.arg for one in arguments if one.annotation and _ARRAY.search(ast.unparse(one.annotation))]
            text = explained(found, classes)
            several += len(arrays) > 1
            named = all(re.search(rf"\b{name}\b", text) for name in arrays)
            if not (named or _COMMON_SHAPE.search(text) or len(_SHAPE.findall(text)) >= len(arrays)):
                unsaid.append(f"{found.place} {found.name}")
    assert unsaid == []
    assert several > 80


@pytest.mark.parametrize(("text", "says"), [("`(n,)` arrays", False), ("`(n,)` values [mm]", True), ("`(I, J, K)` bool", True)])
def test_a_kind_is_recognised(text, says):
    assert bool(_KIND.search(text)) is says


@pytest.mark.parametrize(
    "text", ["(n,) float array", "`(lesions + 1,)` bool", "`(..., 3)` in and out", "`(I, J, K)`", "of any shape"]
)
def test_a_shape_is_recognised(text):
    assert _SHAPE.search(text)


@pytest.mark.parametrize(
    "text", ["the axes of a figure", "one slice (from 0)", "(Hepburn et al. 2023, section 2.5)", "(a mask, or clicks)"]
)
def test_other_words_are_no_shape(text):
    assert not _SHAPE.search(text)

"""Somebody's own code by import path: every way in which it can be wrong is a sentence."""

import sys
from pathlib import Path

import pytest

from imitation.common.import_paths import MissingModule, call_factory, check_name, load_factory
from imitation.common.settings import UserError

CODE = """
import math


class Thing:
    def __init__(self, settings, count):
        self.given = settings, count


def nothing():
    return Thing(1, 2)


def a_class(settings, count):
    return Thing


def fails(settings, count):
    return math.sqrt(-count)


number = 7
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_things.py").write_text(CODE)
    (tmp_path / "own_needs.py").write_text("import no_such_package_of_anybodys\n")
    (tmp_path / "own_broken.py").write_text("def f(:\n")
    (tmp_path / "own_raises.py").write_text("x = 1\ny = x / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("own_things", "own_needs", "own_broken", "own_raises"):
        sys.modules.pop(name, None)


def made(name: str) -> object:
    path = f"own_things:{name}"
    return call_factory(load_factory(path, "x.name"), "x.name", path, {"settings": "s", "count": 3})


def test_a_class_or_a_function_in_the_current_folder_is_called(here):
    assert made("Thing").given == ("s", 3)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("own_thing:Thing", r"No module named 'own_thing'; looked in .* \(there is own_things.py\)"),
        ("own_things:Thin", r"own_things has no 'Thin'; did you mean 'Thing'\?"),
        ("own_things:number", r"is a int, which cannot be called"),
        ("own_needs:f", r"own_needs itself imports no_such_package_of_anybodys, which is not installed"),
        ("own_broken:f", r"SyntaxError.*own_broken.py"),
        ("own_raises:f", r"ZeroDivisionError.*own_raises.py:2"),
        ("own_things.Thing", r"write 'package.module:factory'"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(here, path, said):
    with pytest.raises(UserError, match=said) as caught:
        load_factory(path, "x.name")
    assert str(caught.value).startswith(f"x.name: '{path}'")


def test_only_the_named_module_itself_counts_as_missing(here):
    with pytest.raises(MissingModule):
        load_factory("own_thing:f", "x.name")
    with pytest.raises(UserError) as caught:
        load_factory("own_needs:f", "x.name")
    assert not isinstance(caught.value, MissingModule)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", r"is called with \(settings, count\), but it is nothing\(\): too many positional"),
        ("a_class", r"gave the class Thing, not an object of it; return Thing\(\.\.\.\)"),
        ("fails", r"failed: ValueError: .*own_things.py:19, in fails\)"),
    ],
)
def test_a_factory_that_cannot_be_used_says_why(here, name, said):
    with pytest.raises(UserError, match=said):
        made(name)


def test_an_error_that_may_pass_is_left_as_it_is(here):
    factory = load_factory("own_things:fails", "x.name")
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        call_factory(factory, "x.name", "own_things:fails", {"settings": 0, "count": 1}, catch=False)


def test_names_that_are_nearly_right():
    assert check_name("grid", ("grid", "fcos"), "detector") == "grid"
    assert check_name("a.b:c", ("grid", "fcos"), "detector") == "a.b:c"
    with pytest.raises(ValueError, match=r"no detector 'gird'; did you mean 'grid'\?"):
        check_name("gird", ("grid", "fcos"), "detector")
    with pytest.raises(ValueError, match="known are grid, fcos"):
        check_name("yolo", ("grid", "fcos"), "detector")

"""Somebody's own code by import path, "package.module:factory": what is wrong with it, in a sentence.

Detectors, policies and simulators of one's own are named like this. The module is looked for in the current
folder too: a console script does not look there, and it is where people keep their own.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from imitation.common.errors import UserError
from imitation.common.wording import did_you_mean


def is_import_path(name: str) -> bool:
    """Whether a name is written as "package.module:factory"."""
    module, colon, attribute = name.partition(":")
    parts = [*module.split("."), *attribute.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def check_name(name: str, known: Collection[str], what: str) -> str:
    """The name itself, if it is known or an import path. Raises ValueError, with the nearest known one."""
    if name in known or is_import_path(name):
        return name
    raise ValueError(
        f"there is no {what} {name!r}; {did_you_mean(name, known)} (Your own is named "
        "'package.module:factory'.)"
    )


def load_factory(path: str, setting: str) -> Callable[..., Any]:
    """What an import path leads to, something that can be called. `setting` is the key that holds the path,
    such as "detector.name".

    Raises UserError where the module or the name in it is not there, or the module fails while it is
    imported (naming file and line), or what is there cannot be called.
    """
    where = f"{setting}: {path!r}"
    if not is_import_path(path):
        raise UserError(f"{where} is no import path; write 'package.module:factory'")
    module_name, _, attribute = path.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise UserError(
                f"{where} cannot be imported: {module_name} itself imports {error.name}, which is not "
                "installed"
            ) from error
        raise MissingModule(
            f"{where} cannot be imported: No module named {error.name!r}; looked in {here}"
            f"{_near_file(error.name, here)} and the installed packages. Start from the folder that holds "
            "it, or install it"
        ) from error
    except Exception as error:  # a module of somebody's own may raise anything while it is imported
        raise UserError(f"{where} cannot be imported: {error_line(error)}") from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            own = [each for each in vars(found) if not each.startswith("_")]
            hint = did_you_mean(name, own, "", said="; did you mean {!r}?")
            raise UserError(f"{where} cannot be imported: {module_name} has no {name!r}{hint}")
        found = getattr(found, name)
    if not callable(found):
        raise UserError(
            f"{where} is a {type(found).__name__}, which cannot be called; name a class or a function"
        )
    factory: Callable[..., Any] = found
    return factory


class MissingModule(UserError):
    """The module is not there: on a cluster it may be where the work is done."""


def call_factory(
    factory: Callable[..., Any],
    setting: str,
    path: str,
    arguments: Mapping[str, Any],
    *,
    by_name: bool = False,
    catch: bool = True,
) -> Any:
    """What the factory makes of these arguments, given by position (`by_name`: by keyword).

    Raises UserError where its signature does not take them, where it raises (naming file and line; not
    `catch`: its own error passes, as one that another try may not meet), and where it gives a class in place
    of an object; a UserError of its own passes.
    """
    where = f"{setting}: {path!r}"
    args = () if by_name else tuple(arguments.values())
    kwargs = dict(arguments) if by_name else {}
    if wrong := signature_problem(factory, args, kwargs):
        given = ", ".join(arguments) if arguments else "no arguments"
        raise UserError(f"{where} is called with ({given}), but {_named(factory)}: {wrong}")
    try:
        made = factory(*args, **kwargs)
    except UserError:
        raise
    except Exception as error:  # somebody's own code may raise anything
        if not catch:
            raise
        raise UserError(f"{where} failed: {error_line(error)}") from error
    if isinstance(made, type):
        raise UserError(
            f"{where} gave the class {made.__name__}, not an object of it; return {made.__name__}(...)"
        )
    return made


def signature_problem(
    call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str | None:
    """Why something cannot be called so, as Python says it; None if it can, or if nobody knows."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # built in, without a signature
        return None
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return None


def error_line(error: BaseException) -> str:
    """An error of somebody's own code in a line: what it is, and the line of theirs that raised it."""
    what = " ".join("".join(traceback.format_exception_only(error)).split())
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return what
    # the innermost line that is neither ours nor an installed package's; else the innermost of all
    theirs = [frame for frame in frames if not _installed(frame.filename)]
    last = (theirs or frames)[-1]
    return f"{what} ({last.filename}:{last.lineno}, in {last.name})"


_OURS = Path(__file__).resolve().parents[2]


def _installed(filename: str) -> bool:
    path = Path(filename)
    inside = any(_OURS / name in path.parents for name in ("imitation", "sim_actors", "cluster"))
    library = {"site-packages", "dist-packages", "lib-dynload"} & set(path.parts)
    return inside or bool(library) or filename.startswith("<") or Path(os.__file__).parents[1] in path.parents


def _named(factory: Callable[..., Any]) -> str:
    try:
        return f"it is {getattr(factory, '__name__', 'it')}{inspect.signature(factory)}"
    except (TypeError, ValueError):
        return f"it is {factory!r}"


def _near_file(module: str, folder: str) -> str:
    return did_you_mean(
        module, (path.stem for path in Path(folder).glob("*.py")), "", said=" (there is {}.py)"
    )

"""The house rules: who may know whom, what is imported when, and how the code looks."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "roboflow_evals_async"
NAME = PACKAGE.name
FILES = sorted(PACKAGE.rglob("*.py"))

CLIENTS = frozenset({"core", "paging", "roboflow", "rivergen"})
LIBRARY = CLIENTS | {"fanout", "export", "insight", "ray", "sync", "otel"}

# Which rooms of the house a room may know, besides itself. A room that is not here has no place in the house yet.
MAY_KNOW: dict[str, frozenset[str]] = {
    "__init__": CLIENTS | {"fanout", "export", "insight", "otel"},
    "__main__": LIBRARY | {"cli"},
    "core": frozenset(),
    "paging": frozenset({"core"}),
    "roboflow": frozenset({"core", "paging"}),
    "rivergen": frozenset({"core", "paging"}),
    "fanout": CLIENTS,
    "export": CLIENTS | {"fanout"},
    "insight": CLIENTS | {"fanout"},
    "ray": CLIENTS | {"fanout", "export"},
    "otel": frozenset({"core"}),
    "sync": CLIENTS | {"fanout", "export", "insight"},
    "cli": LIBRARY | {"testing"},
    "testing": frozenset(),
}

# What a room may import of others at module level, besides the core install.
EXTRAS: dict[str, frozenset[str]] = {"cli": frozenset({"cyclopts", "rich"})}
EXTRAS_OF_FILE: dict[str, frozenset[str]] = {"testing/pytest_plugin.py": frozenset({"pytest"})}

# They come with aiohttp, and its interface is made of them.
WITH_AIOHTTP = frozenset({"yarl", "multidict"})

MOST_LINES = 450


def room_of(file: Path) -> str:
    """The folder of the package that a file is in, or its own name at the top."""
    first = file.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def parsed(file: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(node: ast.AST, file: Path) -> list[str]:
    """The full names that an import statement names, `from` imports with what is taken."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = (NAME, *file.relative_to(PACKAGE).parts[:-1])
        base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def rooms_known(file: Path) -> set[str]:
    """The other rooms that a file imports anywhere: in functions and for the type checker too."""
    names = [name for node in ast.walk(parsed(file)) for name in imported(node, file)]
    ours = [name.split(".") for name in names if name.split(".")[0] == NAME]
    return {parts[1] for parts in ours if len(parts) > 1} - {room_of(file), "__version__"}


def at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: not those in functions, nor for the type checker."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from at_import(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from at_import(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from at_import(handler.body)


def core_install() -> set[str]:
    """The packages of a plain install, and the standard library."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    plain = {text.partition(">")[0].strip() for text in project["dependencies"]}
    assert plain <= {"aiohttp", "anyio", "msgspec", "tenacity", "aiolimiter"}, "the design names these, and no more"
    return plain | WITH_AIOHTTP | set(sys.stdlib_module_names) | {NAME}


def run_python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- who may know whom -------------------------------------------------------------------------------------------------


def test_every_room_has_its_place() -> None:
    assert {room_of(file) for file in FILES} <= set(MAY_KNOW)


def test_the_arrows_have_no_circle() -> None:
    def above(room: str, seen: tuple[str, ...]) -> None:
        assert room not in seen, f"{' → '.join((*seen, room))}"
        for known in MAY_KNOW.get(room, ()):
            above(known, (*seen, room))

    for room in MAY_KNOW:
        above(room, ())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_knows_only_whom_its_room_may_know(file: Path) -> None:
    assert rooms_known(file) <= MAY_KNOW[room_of(file)]


def test_the_rule_sees_every_way_to_import(tmp_path: Path) -> None:
    """A check that finds nothing proves nothing: here are the ways, each found."""
    file = PACKAGE / "core" / "made_up.py"
    for text, name in (
        ("from ..paging.walk import Walk", f"{NAME}.paging.walk.Walk"),
        ("from .. import paging", f"{NAME}.paging"),
        (f"import {NAME}.cli.app", f"{NAME}.cli.app"),
        (f"from {NAME} import testing", f"{NAME}.testing"),
        ("from . import errors", f"{NAME}.core.errors"),
        ("from .errors import EvalsError", f"{NAME}.core.errors.EvalsError"),
        ("import aiohttp.web", "aiohttp.web"),
    ):
        (node,) = ast.parse(text).body
        assert imported(node, file) == [name]


# -- what is imported when ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_an_extra_is_imported_only_where_it_is_used(file: Path) -> None:
    allowed = core_install() | EXTRAS.get(room_of(file), frozenset())
    allowed |= EXTRAS_OF_FILE.get(file.relative_to(PACKAGE).as_posix(), frozenset())
    names = [name for node in at_import(parsed(file).body) for name in imported(node, file)]
    assert {name.split(".")[0] for name in names} <= allowed


def test_importing_the_package_costs_next_to_nothing() -> None:
    heavy = ("aiohttp", "msgspec", "tenacity", "anyio", "asyncio", "cyclopts", "rich")
    code = f"import {NAME}, sys; print([name for name in {heavy!r} if name in sys.modules])"
    assert run_python(code) == "[]"


def test_the_library_imports_no_extra_and_neither_command_nor_stand_in() -> None:
    code = (
        f"import {NAME} as p, sys\n"
        f"for name in p.__all__: getattr(p, name)\n"
        f"tops = ('cyclopts', 'rich', 'opentelemetry', 'pyarrow', 'pytest', 'ray', '{NAME}.cli', '{NAME}.testing')\n"
        "print([name for name in tops if name in sys.modules])"
    )
    assert run_python(code) == "[]"


def type_checkers_names() -> set[str]:
    """The names that `__init__` imports for type checkers."""
    (block,) = [node for node in parsed(PACKAGE / "__init__.py").body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    found = [alias for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert all(alias.asname == alias.name for alias in found), "`as` makes them public to type checkers"
    return {f"{alias.name}" for alias in found}


def test_type_checkers_see_the_same_names_as_the_interpreter() -> None:
    package: Any = import_module(NAME)
    assert type_checkers_names() == set(package.__all__) - {"__version__"}
    assert len(package.__all__) == len(set(package.__all__))
    assert dir(package) == sorted(package.__all__)


def test_each_public_name_comes_from_where_type_checkers_look() -> None:
    package: Any = import_module(NAME)
    block = next(node for node in parsed(PACKAGE / "__init__.py").body if isinstance(node, ast.If))
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            home = import_module(f"{NAME}.{node.module}")
            assert getattr(package, alias.name) is getattr(home, alias.name)
            assert alias.name in vars(package), "the second use finds it at once"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    package: Any = import_module(NAME)
    with pytest.raises(AttributeError, match=f"module '{NAME}' has no attribute 'Nothing'"):
        _ = package.Nothing


# -- how the code looks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_file_is_a_hall(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def undocumented(body: list[ast.stmt], owner: str = "") -> list[str]:
    """The public classes, functions and methods without a docstring."""
    found: list[str] = []
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        name = f"{owner}{node.name}"
        overload = any("overload" in ast.unparse(decorator) for decorator in node.decorator_list)
        if ast.get_docstring(node) is None and not overload:
            found.append(name)
        # The members of a protocol are told of where it is; those of a private class are nobody's business.
        if isinstance(node, ast.ClassDef) and "Protocol" not in map(ast.unparse, node.bases):
            found += undocumented(node.body, f"{name}.")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_what_is_public_has_a_docstring(file: Path) -> None:
    tree = parsed(file)
    assert ast.get_docstring(tree) is not None, "a module says what it is for"
    assert undocumented(tree.body) == []


def tracked() -> list[Path]:
    """The files of the project as git has them; without git there is nothing to hold this against."""
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=ROOT, check=False)
    if done.returncode != 0 or not done.stdout:
        pytest.skip("this is no git checkout")
    files = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return [file for file in files if file.is_file()]


# Put together here, so that this file has none of them.
FORBIDDEN = [
    "TO" + "DO",
    "FIX" + "ME",
    "raise " + "NotImplemented",
    *(f"{name}.{end}" for name, end in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))),
]


def test_nothing_is_left_undone_and_no_registry_is_named() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {word}"
        for file in tracked()
        for text in [file.read_text(encoding="utf-8", errors="replace")]
        for word in FORBIDDEN
        if word in text
    ]
    assert found == []

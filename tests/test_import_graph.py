"""The house has one direction: what each folder may import is data here, and every source file is held against it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Reading order of the two packages: a folder (or module) imports only what stands above it, and its own modules.
# The package's own `__init__` stands last: it may import everything, and nothing inside the package may import from it.
READING_ORDER: dict[str, tuple[str, ...]] = {
    "engines": (
        "checkpoints",
        "compiled",
        "python_chess",
        "chess",
        "networks",
        "search",
        "selfplay",
        "arena",
        "uci",
        "__init__",
    ),
    "conceptmine": (
        "errors",
        "runfolder",
        "activations",
        "positions",
        "contrast",
        "mining",
        "evidence",
        "teachability",
        "novelty",
        "ranking",
        "puzzles",
        "study",
        "report",
        "pipeline",
        "benchmarks",
        "service",
        "cli",
        "__init__",
        "__main__",
    ),
}
# Which of our own packages a package may import from.
OUR_PACKAGES: dict[str, frozenset[str]] = {
    "engines": frozenset({"engines"}),
    "conceptmine": frozenset({"engines", "conceptmine"}),
    "experiments": frozenset({"engines", "conceptmine", "experiments"}),
}
OUR_NAMES = frozenset({"engines", "conceptmine", "experiments", "datasets", "tests"})
# Import names that a requirement brings where they differ from its own, and the folders that may use an extra.
IMPORT_NAMES = {"protobuf": ("google",), "numba": ("numba", "llvmlite"), "jinja2": ("jinja2", "markupsafe")}
# Only for the type checker, and never imported at run time.
TYPE_STUBS = frozenset({"_typeshed"})
EXTRAS: dict[str, frozenset[str]] = {
    "service": frozenset({"conceptmine.service"}),
    "ray": frozenset({"engines.selfplay", "conceptmine.pipeline"}),
    "onnx": frozenset({"engines.networks"}),
    "tensorboard": frozenset({"engines.selfplay"}),
}


@dataclass(frozen=True)
class Import:
    """One imported module name as written in one file."""

    line: int
    module: str
    names: tuple[str, ...]


def imports_of(source: str, package: str) -> Iterator[Import]:
    """Every import of a module, also inside functions, with relative names resolved against its package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, ())
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield Import(node.lineno, module, tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield Import(node.lineno, node.args[0].value, ())


def units_of(found: Import, top: str) -> list[str]:
    """The folders of package `top` that an import reaches ("__init__": the package itself)."""
    parts = found.module.split(".")
    if len(parts) > 1:
        return [parts[1]]
    return [name if name in READING_ORDER[top] else "__init__" for name in found.names] or ["__init__"]


@cache
def allowed_third_parties(unit: str) -> frozenset[str]:
    """Import names of the requirements in pyproject.toml that a folder ("conceptmine.service") may use."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = list(project["dependencies"])
    for extra, users in EXTRAS.items():
        if unit in users:
            requirements += project["optional-dependencies"][extra]
    names = {re.split(r"[^\w-]", requirement, maxsplit=1)[0].lower() for requirement in requirements}
    return frozenset(imported for name in names for imported in IMPORT_NAMES.get(name, (name,)))


def violations(root: Path) -> list[str]:
    """One line for each import under `root` that the data above does not allow."""
    found: list[str] = []
    for top, allowed_tops in OUR_PACKAGES.items():
        order = READING_ORDER.get(top)
        for path in sorted((root / top).rglob("*.py")):
            relative = path.relative_to(root)
            package = ".".join(relative.parent.parts)
            unit = relative.parts[1] if len(relative.parts) > 2 else relative.stem
            if order is not None and unit not in order:
                found.append(f"{relative}: {top}.{unit} has no place in READING_ORDER[{top!r}]; give it one")
                continue
            for item in imports_of(path.read_text(encoding="utf-8"), package):
                where = f"{relative}:{item.line}"
                target = item.module.split(".")[0]
                if target in OUR_NAMES and target not in allowed_tops:
                    found.append(f"{where}: {top} may not import {target}")
                elif target == top and order is not None:
                    above = order[: order.index(unit) + 1]
                    for reached in units_of(item, top):
                        if reached not in above:
                            found.append(
                                f"{where}: {top}.{unit} may import only itself and"
                                f" {', '.join(above[:-1]) or 'nothing'}, not {reached}"
                            )
                elif (
                    target not in OUR_NAMES
                    and target not in sys.stdlib_module_names | TYPE_STUBS
                    and top != "experiments"
                ):
                    allowed = allowed_third_parties(f"{top}.{unit}")
                    if target not in allowed:
                        found.append(f"{where}: {top}.{unit} imports {target}, no requirement in pyproject.toml for it")
    return found


def test_every_import_goes_up_the_reading_order() -> None:
    found = violations(ROOT)
    assert not found, "imports against the reading order:\n  " + "\n  ".join(found)


def test_planted_violations_are_found(tmp_path: Path) -> None:
    planted = {
        "engines/chess/moves.py": "import chess\nfrom engines.networks import Agent\n",
        "engines/search/tree.py": "def late():\n    from conceptmine.mining import solve\n    return solve\n",
        "engines/networks/agent.py": "from ..arena import match\nfrom .. import chess, uci\n",
        "conceptmine/mining/solver.py": "import engines\nimport conceptmine\nfrom ..errors import InputError\n",
        "conceptmine/positions/games.py": "import datasets\nimport importlib as i\ni.import_module('experiments.a')\n",
        "conceptmine/cli/app.py": "from conceptmine import capture\nimport tensorflow\nfrom . import mine\n",
        "conceptmine/strange/a.py": "",
        "engines/__init__.py": "from engines.search import search\nfrom .networks import load_agent\n",
    }
    for name, text in planted.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = [line.replace("\\", "/") for line in violations(tmp_path)]
    assert [line.split(": ")[0] for line in found] == [
        "engines/chess/moves.py:2",
        "engines/networks/agent.py:1",
        "engines/networks/agent.py:2",
        "engines/search/tree.py:2",
        "conceptmine/cli/app.py:1",
        "conceptmine/cli/app.py:2",
        "conceptmine/mining/solver.py:2",
        "conceptmine/positions/games.py:1",
        "conceptmine/positions/games.py:3",
        "conceptmine/strange/a.py",
    ]
    assert found[0] == (
        "engines/chess/moves.py:2: engines.chess may import only itself and checkpoints, compiled, python_chess,"
        " not networks"
    )


def test_every_place_in_the_reading_order_is_named_once() -> None:
    for order in READING_ORDER.values():
        assert len(set(order)) == len(order)


def test_nothing_is_called_utils() -> None:
    for top in OUR_PACKAGES:
        named = [path for path in (ROOT / top).rglob("*") if path.stem.lower() in {"util", "utils"}]
        assert not named, f"say what it is for in its name: {named}"


UNPICKLES = frozenset({"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"})


def unpickling(source: str) -> list[str]:
    """What in a source file could run code out of a file that it reads: modules and calls that unpickle."""
    found = [item.module for item in imports_of(source, "") if item.module.split(".")[0] in UNPICKLES]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            allows = any(keyword.arg == "allow_pickle" for keyword in node.keywords)
            if called == "torch.load" or allows:
                found.append(called)
        elif isinstance(node, ast.ImportFrom) and node.module == "torch":
            found += [f"torch.{alias.name}" for alias in node.names if alias.name == "load"]
    return found


def test_nothing_is_unpickled() -> None:
    for top in OUR_PACKAGES:
        for path in sorted((ROOT / top).rglob("*.py")):
            assert not unpickling(path.read_text(encoding="utf-8")), path


def test_planted_unpickling_is_found() -> None:
    planted = "import pickle\nfrom torch import load\ntorch.load('x')\nnp.load('x', allow_pickle=True)\nnp.load('x')\n"
    assert unpickling(planted) == ["pickle", "torch.load", "torch.load", "np.load"]


MACHINE_PATH = re.compile(r"(?<![\w.])(?:/(?:work|root|home|Users|mnt|opt)/\w|[A-Z]:\\\\?Users)")
TEXT_SUFFIXES = frozenset({".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".json", ".html", ".j2", ".css", ".sh", ""})


def machine_paths(root: Path) -> list[str]:
    """One line for each text line of the tree that names a folder of somebody's machine."""
    found = []
    for part in ("conceptmine", "engines", "experiments", "datasets", "docs", "tests", ".ci", "README.md", "Makefile"):
        for path in sorted([root / part, *(root / part).rglob("*")]):
            if path.is_file() and path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts:
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
                found += [
                    f"{path.relative_to(root)}:{i}: {text.strip()[:100]}"
                    for i, text in enumerate(lines, 1)
                    if MACHINE_PATH.search(text)
                ]
    return found


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = machine_paths(ROOT)
    assert not found, "paths of one machine:\n  " + "\n  ".join(found)


def test_a_planted_machine_path_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("fine: /v1/home\nbad: " + "/".join(["", "home", "ada", "x"]) + "\n")
    assert [line.split(": ")[0].replace("\\", "/") for line in machine_paths(tmp_path)] == ["docs/a.md:2"]

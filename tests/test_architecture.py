"""Laws of the house: what may import what, how large files and packages may be, one name for one thing."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "fpsim"
GROUND = {"support", "uncertainty", "_version"}
"""Beneath everything: they import nothing of the package but one another, and anything may import them."""
NUMERICS = {"density", "equation", "lattice", "evolution", "generator", "paths"}
NETWORKS = {"datasets", "network", "experiment", "ensemble"}
THEORY = {"theory", "closures", "comparison"}
ALLOWED = {
    "density": set(),
    "equation": {"density"},
    "lattice": {"density", "equation"},
    "generator": {"density", "equation", "lattice"},
    "evolution": {"density", "equation", "lattice", "generator"},
    "paths": {"density", "equation"},
    "datasets": set(),
    "network": set(),
    "experiment": {"datasets", "network"},
    "ensemble": {"datasets", "network", "experiment"},
    "theory": {"density", "equation"} | NETWORKS,
    "closures": {"density", "equation", "theory"} | NETWORKS,
    "comparison": {"density", "network"},
    "applicability": NETWORKS | {"theory", "closures"},
    "studies": NUMERICS | NETWORKS | THEORY | {"diagnostics", "plots", "scenario"},
    "diagnostics": {"density", "equation", "generator", "theory"} | NETWORKS,
    "storage": set(),
    "plots": set(),
    "scenario": NUMERICS | NETWORKS | THEORY | {"storage", "plots", "diagnostics"},
    "validation": NUMERICS | NETWORKS | {"theory", "closures", "diagnostics"},
    "sweeps": {"scenario", "storage"},
    "runs": {"density", "comparison", "ensemble", "evolution", "paths", "plots", "scenario", "storage", "sweeps"},
    "cli": {"applicability", "scenario", "runs", "storage", "sweeps", "validation"},
}
LONGEST_FILE = 500
MOST_MODULES = 12
LONGEST_CHAIN = 9
FAMILIES = {"closures", "comparison/distances"}
"""Packages whose modules are equals, one for each member of a family: they may be many."""
QUESTIONS = {"what", "how", "where", "whether", "when", "who", "why", "which"}
SAME_NAME = {
    "cli": "a command bears the name of the function that it calls",
}
"""Folders whose public names may be those of others, and why."""
HEAVY = ("numpy", "numba", "scipy", "matplotlib", "pandas", "xarray", "h5py", "fipy")


@cache
def modules():
    """Every module by its dotted name: path and syntax tree."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("fpsim", *path.relative_to(ROOT).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path, ast.parse(path.read_text(encoding="utf-8"))
    return found


def statements(tree, *, deferred):
    """Statements of a module; those inside functions and under TYPE_CHECKING only if ``deferred``."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        yield node
        if not deferred and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if not deferred and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.AST)]


def imported(name, *, deferred):
    """Modules of the package, and top names of others, that a module imports."""
    known = modules()
    for node in statements(known[name][1], deferred=deferred):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


@cache
def graph():
    """By module, the modules of the package that must be loaded before it."""
    return {name: {m for m in imported(name, deferred=False) if m in modules()} - {name} for name in modules()}


def package_of(name):
    return name.split(".")[1] if "." in name else ""


def folder_of(name):
    return modules()[name][0].parent.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", sorted(ALLOWED) + sorted(GROUND))
def test_dependencies_run_one_way(package):
    allowed = ALLOWED.get(package, set()) | GROUND | {package}
    wrong = {
        f"{name} imports {other}"
        for name in modules()
        if package_of(name) == package
        for other in imported(name, deferred=True)
        if other.startswith("fpsim.") and package_of(other) not in allowed
    }
    assert not wrong


def test_every_package_is_in_the_table():
    assert {package_of(name) for name in modules()} - {"", "__main__"} == set(ALLOWED) | GROUND


def test_no_module_imports_itself_by_way_of_others():
    graphlib.TopologicalSorter(graph()).prepare()  # a cycle is an error that names it


def test_chains_of_imports_inside_a_package_are_short():
    lengths = {}
    for name in graphlib.TopologicalSorter(graph()).static_order():
        inner = [m for m in graph()[name] if package_of(m) == package_of(name)]
        lengths[name] = 1 + max((lengths[m] for m in inner), default=0)
    assert {name: n for name, n in lengths.items() if package_of(name) and n > LONGEST_CHAIN} == {}


def test_no_file_is_long():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, (path, _) in modules().items()}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_package_has_many_modules():
    counts = {}
    for path, _ in modules().values():
        if path.stem not in ("__init__", "__main__"):
            folder = path.parent.relative_to(ROOT).as_posix()
            counts[folder] = counts.get(folder, 0) + 1
    assert {folder: n for folder, n in counts.items() if n > MOST_MODULES and folder not in FAMILIES} == {}


def test_modules_begin_with_a_noun_phrase():
    """The first line says what is in a module; it does not ask."""
    first = {name: (ast.get_docstring(tree) or "").split("\n")[0] for name, (_, tree) in modules().items()}
    wrong = {n: line for n, line in first.items() if not line or line.split()[0].strip(".,:'").lower() in QUESTIONS}
    assert wrong == {}


def test_a_public_name_is_one_thing():
    homes = {}
    for name, (_, tree) in modules().items():
        if not folder_of(name).startswith(tuple(SAME_NAME)):
            for node in tree.body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    homes.setdefault(node.name, set()).add(name)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_threads_are_used_in_one_way():
    """OpenMP's ``prange`` kills forked children and does not bear two callers at once."""
    users = {n for n, (_, tree) in modules().items() for node in ast.walk(tree) if getattr(node, "id", "") == "prange"}
    assert users == set()


def test_kernels_are_compiled_in_one_place():
    """numba's own decorators refuse to work where their cache finds no place."""
    for name, (_, tree) in modules().items():
        if name == "fpsim.support.compilation":
            continue
        taken = {a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names
                 if node.module == "numba"}  # fmt: skip
        assert not taken & {"njit", "jit", "vectorize", "guvectorize"}, name


def test_only_the_validation_knows_the_reference_solver():
    users = {n for n in modules() if any(m.split(".")[0] == "fipy" for m in imported(n, deferred=True))}
    assert {package_of(name) for name in users} == {"validation"}


LAZY = ("fpsim", "fpsim.scenario")


@pytest.mark.parametrize("package", LAZY)
def test_lazy_names_are_those_that_type_checkers_see(package):
    """The three lists of a lazy package agree, and every name is where they say."""
    _, tree = modules()[package]
    (guard,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {(a.name, n.module) for n in guard.body for a in n.names if n.module != package}
    (call,) = [node for node in ast.walk(guard.orelse[-1]) if isinstance(node, ast.Call)]
    homes = ast.literal_eval(call.args[1])
    assert seen == {(name, home) for home, names in homes.items() for name in names}
    keywords = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
    inner = {a.name for n in guard.body for a in n.names if n.module == package}
    assert inner == set(keywords.get("modules", ()))
    module = __import__(package, fromlist=["x"])
    public = set(module.__all__) - {"__version__"}
    assert public - inner == {name for name, _ in seen}
    assert public | inner <= set(dir(module))
    assert not {name for name, _ in seen} & {n.rpartition(".")[2] for n in modules() if n.rpartition(".")[0] == package}
    for name in public:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'evolv'"):
        module.evolv  # noqa: B018


def loaded(code):
    """Heavy libraries that a fresh process has loaded after some code."""
    text = f"{code}\nimport sys\nprint(*(m for m in {HEAVY} if m in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(done.stderr.split())


LIGHT = {
    "import fpsim": "import fpsim, fpsim.scenario; dir(fpsim)",
    "fpsim list": "from fpsim.cli import main; assert main(['list']) == 0",
    "fpsim --help": "from fpsim.cli import main; assert main(['--help']) == 0",
    "fpsim run --help": "from fpsim.cli import main; assert main(['run', '--help']) == 0",
}


@pytest.mark.parametrize("case", LIGHT)
def test_starting_is_light(case):
    assert loaded(LIGHT[case]) == set()


def test_describing_a_complete_run_needs_no_compiled_code(quick_run):
    found = loaded(f"from fpsim.cli import main; assert main(['info', {str(quick_run.file)!r}]) == 0")
    assert found & {"numba", "scipy", "matplotlib", "fipy"} == set()

"""Layers: imports point down the floors, children stay light, and every module can be read in one sitting."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("pipelines", "generation", "pages", "captioning", "filters", "transforms")
MODULES = sorted(
    str(path.relative_to(ROOT)) for floor in (*FLOORS, "benchmarks") for path in (ROOT / floor).rglob("*.py")
)
MOST_LINES = 450


def test_imports_point_down_the_floors():
    told = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "1 kept, 0 broken" in told.stdout


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("pipelines.work", ("apache_beam", "rich", "pandas", "torch", "grpc")),
        ("transforms.child", ("apache_beam", "rich", "pandas", "torch", "grpc", "pyarrow", "av", "cv2")),
        ("pipelines.main", ("apache_beam", "pyarrow", "av", "cv2", "torch")),
        ("pipelines.show", ("apache_beam", "torch")),
    ],
)
def test_what_starts_often_imports_little(module, never):
    code = f"import sys, {module}; print(*sorted(set({never!r}) & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_and_is_not_long(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no docstring"
    assert len(text.splitlines()) <= MOST_LINES


def public(tree: ast.Module) -> list[ast.AST]:
    found: list[ast.AST] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            found.append(node)
    return found


@pytest.mark.parametrize("name", [m for m in MODULES if m.split("/")[0] in FLOORS])
def test_everything_public_is_explained_and_beam_stays_on_its_floor(name):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    bare = [n.name for n in public(tree) if not ast.get_docstring(n)]  # type: ignore[attr-defined,arg-type]
    assert bare == []
    if not name.startswith("pipelines/"):
        imported = {
            alias.name if isinstance(node, ast.Import) else node.module or ""
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        assert not [m for m in imported if m.split(".")[0] == "apache_beam"]

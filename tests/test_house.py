"""The rules of the house, held by a machine. See docs/decisions.md for why."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

import songsinh
from songsinh.cli import app

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "songsinh"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCIENCE = ("models", "twin", "learn")
LONGEST = 500
LONG_FOR_A_REASON: dict[str, str] = {}  # path: why it may be longer


def test_there_is_something_to_check():
    assert len(SOURCES) > 10
    assert len(PAGES) > 5


def trees(folders=("songsinh",)):
    """Each Python file of the folders with its syntax tree."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def part(path):
    """The part of the package that a file belongs to: a folder, or a single ground file."""
    return Path(path).with_suffix("").parts[1]


def test_no_file_grows_past_the_limit():
    folders = ("songsinh", "tests", "examples", "benchmarks")
    files = [p for folder in folders for p in (ROOT / folder).rglob("*.py")]
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in files}
    long = {name: n for name, n in lengths.items() if n > LONGEST}
    assert set(long) <= set(LONG_FOR_A_REASON), f"split these or give a reason: {long}"
    assert set(LONG_FOR_A_REASON) <= set(long), "an excuse that nobody needs"


def test_every_part_has_a_front_door():
    doors = [p for p in PACKAGE.iterdir() if (p / "__init__.py").exists() or p.suffix == ".py"]
    for door in doors:
        if door.stem != "__init__":
            names = import_module(f"songsinh.{door.stem}").__all__
            assert len(set(names)) == len(names)
            module = import_module(f"songsinh.{door.stem}")
            assert all(hasattr(module, name) for name in names), door


def test_other_parts_are_entered_by_their_door():
    wrong = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module]
            elif isinstance(node, ast.Import):
                modules = [name.name for name in node.names]
            else:
                continue
            for module in modules:
                steps = module.split(".")
                inner = steps[0] == "songsinh" and len(steps) > 2
                # a pilot's folder is a door of its own
                door = steps[1:2] == ["sectors"] and len(steps) == 3
                if inner and not door and steps[1] != part(path):
                    wrong.append(f"{path}:{node.lineno} imports {module}")
    assert not wrong


def test_only_public_names_are_taken_from_another_part():
    wrong = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("songs"):
                continue
            steps = node.module.split(".")
            if len(steps) != 2 or steps[1] == part(path):
                continue
            public = import_module(node.module).__all__
            names = [name.name for name in node.names]
            wrong += [f"{path}:{node.lineno} takes {n}" for n in names if n not in public]
    assert not wrong


def test_the_front_page_names_what_the_doors_name():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    typed = {
        (node.module, name.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("songsinh.")
        for name in node.names
    }
    for module, name in typed:
        assert name in import_module(module).__all__
        assert getattr(songsinh, name) is getattr(import_module(module), name)
    for module in ("songsinh.models", "songsinh.twin"):
        missing = {(module, name) for name in import_module(module).__all__} - typed
        assert not missing, f"add to songsinh/__init__.py under TYPE_CHECKING: {missing}"
    assert {name for _, name in typed} < set(dir(songsinh))


def test_an_unknown_name_says_where_the_names_are():
    with pytest.raises(AttributeError, match=r"no public name 'simulat'; see docs/reference\.md"):
        songsinh.simulat  # noqa: B018


def test_no_star_imports_and_no_asserts_on_input():
    wrong = []
    for path, tree in trees(("songsinh", "examples")):
        for node in ast.walk(tree):
            star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
            careless = isinstance(node, ast.Assert) and path.parts[0] == "songsinh"
            if star or careless:
                wrong.append(f"{path}:{node.lineno}")
    assert not wrong


def test_science_lets_its_types_be_checked_and_draws_no_global_chance():
    wrong = []
    for path, tree in trees(f"songsinh/{name}" for name in SCIENCE):
        text = (ROOT / path).read_text()
        if re.search(r"^from __future__ import annotations", text, re.M):
            wrong.append(f"{path}: from __future__ import annotations")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "seed":
                owner = ast.unparse(node.value)
                if owner.endswith("random"):
                    wrong.append(f"{path}:{node.lineno} sets a global seed")
            if isinstance(node, ast.Call) and not node.args and not node.keywords:
                called = ast.unparse(node.func)
                if called.endswith("default_rng"):
                    wrong.append(f"{path}:{node.lineno} draws an unseeded generator")
    assert not wrong


def test_no_file_shares_a_name_with_what_it_holds():
    wrong = []
    for path, tree in trees():
        for node in tree.body:
            named = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == path.stem
            if named:
                wrong.append(str(path))
    assert not wrong


def test_every_module_and_public_definition_says_what_it_gives():
    wrong = []
    for path, tree in trees():
        if not ast.get_docstring(tree):
            wrong.append(str(path))
        for node in tree.body:
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name[0] == "_":
                continue
            only_typed = any(ast.unparse(mark) == "overload" for mark in node.decorator_list)
            if not only_typed and not ast.get_docstring(node):
                wrong.append(f"{path}:{node.lineno} {node.name}")
    assert not wrong


def fresh(code, *arguments, **options):
    """A run of Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, **options
    )


def test_the_package_opens_without_its_heavy_tools():
    heavy = ["numba", "scipy", "polars", "matplotlib", "jinja2", "rich", "typer", "jax"]
    for code in ("import songsinh", "from songsinh import Series, Signals, crps, state"):
        found = fresh(f"{code}; import sys; print([m for m in {heavy} if m in sys.modules])")
        assert found.stdout.strip() == "[]", found.stdout + found.stderr


def test_the_package_opens_in_half_a_second():
    code = "import time; t = time.process_time(); import songsinh.series; "
    times = [float(fresh(code + "print(time.process_time() - t)").stdout) for _ in range(3)]
    assert min(times) < 0.5


def commands(group=None, words="songsinh"):
    """Every command of the command line with the words that start it."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


def test_every_command_option_and_setting_has_its_place_in_the_reference():
    reference = (ROOT / "docs" / "reference.md").read_text()
    found = list(commands())
    assert len(found) >= 5
    for words, command in found:
        assert f"`{words}" in reference, f"docs/reference.md does not name `{words}`"
        for parameter in command.params:
            for option in (o for o in parameter.opts if o.startswith("--") and o != "--help"):
                assert f"`{option}" in reference, f"docs/reference.md: {option} of {words}"
    text = "".join(path.read_text() for path in SOURCES)
    for setting in set(re.findall(r"\bSONGSINH_[A-Z_]+", text)):
        assert f"`{setting}`" in reference, f"docs/reference.md does not name {setting}"


def test_every_public_name_has_its_place_in_the_reference():
    reference = (ROOT / "docs" / "reference.md").read_text()
    missing = [name for name in dir(songsinh) if f"`{name}" not in reference]
    assert not missing


def test_no_page_points_to_nothing():
    wrong = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                wrong.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not wrong


def test_every_how_to_page_stands_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = [p.relative_to(ROOT / "docs").as_posix() for p in PAGES if p.parent != ROOT]
    assert not [page for page in pages if page != "index.md" and f"({page})" not in index]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_code_on_a_page_runs(page, tmp_path):
    """Python blocks of a page run one after another, as a reader would type them."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M)
    done = fresh("\n".join(blocks), cwd=tmp_path, env=environment())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_marked_on_a_page_run(page, tmp_path):
    """A console block that follows the mark <!-- run --> is typed line by line."""
    blocks = re.findall(r"<!-- run -->\n+```console\n(.*?)^```", page.read_text(), re.S | re.M)
    code = "from songsinh.cli import main; main()"
    for line in "".join(blocks).splitlines():
        if line.startswith("$ songsinh "):
            done = fresh(code, *line.split()[2:], cwd=tmp_path, env=environment())
            assert done.returncode == 0, line + "\n" + done.stderr


def environment():
    """The environment of a newcomer: this package, no screen."""
    import os

    return os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "PYTHONWARNINGS": "error"}


def test_the_examples_run(tmp_path):
    examples = sorted((ROOT / "examples").glob("*.py"))
    assert ROOT / "examples" / "first_twin.py" in examples
    for example in examples:
        command = [sys.executable, str(example)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment()
        )
        assert done.returncode == 0, f"{example.name}: {done.stderr}"


def test_the_first_example_stays_short():
    assert len((ROOT / "examples" / "first_twin.py").read_text().splitlines()) < 40


def test_nothing_in_the_tree_points_to_one_machine():
    locks = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]
    for lock in locks:
        lines = lock.read_text().splitlines()
        wrong = [x for x in lines if re.search(r"https?:|file:|--index|--find-links|\.whl", x)]
        assert not wrong, f"{lock.name}: {wrong[:3]}"
        pinned = [x for x in lines if re.match(r"[a-z]", x)]
        assert pinned
        assert all("==" in x for x in pinned)


def test_the_version_is_written_alike_everywhere():
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{songsinh.__version__}"' in project
    assert f"## {songsinh.__version__}" in (ROOT / "CHANGELOG.md").read_text()

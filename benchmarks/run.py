"""Run every benchmark, each in a fresh process, and write docs/benchmarks.md.

python -m benchmarks.run                 all of them, and the page
python -m benchmarks.run twin/replay     those whose name begins so; the page is left alone
"""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "benchmarks.md"
LIMIT = 1800  # s, what one script may take
PACKAGES = ("songsinh", "numpy", "scipy", "numba", "jax", "diffrax", "dapper", "thevenin", "pybamm")
SIGNS = {"ratio": "≥ {}x", "less": "≤ {}", "more": "≥ {}", "within": "{}"}


def main(wanted: list[str]) -> int:
    """Run the scripts wanted (all without a name); 0 when every bar holds."""
    scripts = [path for path in find() if not wanted or _matches(path, wanted)]
    if not scripts:
        print(f"no benchmark begins with {' or '.join(wanted)}; there are: {_names()}")
        return 2
    rows = []
    for path in scripts:
        row = run(path)
        rows.append(row)
        print(f"{'holds ' if row['holds'] else 'FAILED'} {row['script']}", flush=True)
    if not wanted:
        whole = page(rows)
        PAGE.parent.mkdir(exist_ok=True)
        passing = PAGE.with_suffix(".part")
        passing.write_text(whole, encoding="utf-8")
        os.replace(passing, PAGE)
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0 if all(row["holds"] for row in rows) else 1


def find() -> list[Path]:
    """Every script: a file in a part's folder whose name has no leading underscore."""
    return sorted(path for path in HERE.glob("*/*.py") if not path.name.startswith("_"))


def run(path: Path) -> dict[str, Any]:
    """One script in a fresh process; its last line, or what went wrong, as a row."""
    name = path.relative_to(HERE).with_suffix("")
    module = ".".join(("benchmarks", *name.parts))
    print(f"\n== {name.as_posix()}", flush=True)
    lines: list[str] = []
    try:
        child = subprocess.run(
            [sys.executable, "-m", module], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            timeout=LIMIT, check=False,
        )  # fmt: skip
        lines = child.stdout.strip().splitlines()
        wrong = f"ended with {child.returncode}" if child.returncode else ""
    except subprocess.TimeoutExpired:
        wrong = f"took longer than {LIMIT} s"
    print("\n".join(lines), flush=True)
    return {"script": name.as_posix()} | _last(lines, wrong)


def _last(lines: list[str], wrong: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(lines[-1]) if not wrong else {}
    except (IndexError, json.JSONDecodeError):
        wrong, row = "its last line is no JSON object", {}
    return {"holds": False, "wrong": wrong} if wrong else row


def page(rows: list[dict[str, Any]]) -> str:
    """The page, as Markdown: the machine, the table, what else was asked of each row."""
    held = sum(row["holds"] for row in rows)
    head = ["# Benchmarks", "", f"`make bench` writes this page. {held} of {len(rows)} rows hold."]
    head += [
        "Each row ran ours and its peer in one run, held to one thread; times are medians of CPU",
        "seconds, and the ratio is the peer's figure over ours. Rows of the live centre run real",
        "processes by the clock, and say what they were held to.",
        "",
        machine(),
        "",
    ]
    table = ["| what | ours | peer | ratio | asked | holds |", "|---|---|---|---|---|---|"]
    table += [_line(row) for row in rows]
    notes = ["", "## Beside the figures", ""] + [_note(row) for row in rows]
    return "\n".join(head + table + notes) + "\n"


def machine() -> str:
    """The machine in one sentence: cores, processor, Python, versions."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    cores = f"{os.cpu_count()} cores ({platform.machine()})"
    return f"{cores}, Python {platform.python_version()}, {', '.join(found)}."


def _line(row: dict[str, Any]) -> str:
    if "wrong" in row:
        return f"| `{row['script']}` | failed: {row['wrong']} | | | | **no** |"
    peer = "" if row["peer"] is None else f"{row['peer']:.4g} {row['unit']}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.3g}x"
    bar = " to ".join(map(str, row["bar"])) if isinstance(row["bar"], list) else row["bar"]
    asked = SIGNS[row["better"]].format(bar)
    holds = "yes" if row["holds"] else "**no**"
    ours = f"{row['ours']:.4g} {row['unit']}"
    return f"| {row['name']} | {ours} | {peer} | {ratio} | {asked} | {holds} |"


def _note(row: dict[str, Any]) -> str:
    conditions = "; ".join(
        f"{key}: {'yes' if value else '**no**'}" for key, value in row.get("also", {}).items()
    )
    parts = [part for part in (row.get("note", ""), conditions) if part]
    return f"- `benchmarks/{row['script']}.py`: {'. '.join(parts) or row.get('wrong', '')}"


def _matches(path: Path, wanted: list[str]) -> bool:
    name = path.relative_to(HERE).with_suffix("").as_posix()
    return any(name.startswith(start.removesuffix(".py")) for start in wanted)


def _names() -> str:
    return ", ".join(path.relative_to(HERE).with_suffix("").as_posix() for path in find())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

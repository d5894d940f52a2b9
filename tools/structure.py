"""Print what the package's structure is like, as a table; `python tools/structure.py [ROOT ...]`.

With two roots (say, a checkout of before and one of now) the table has a column each.
"""

import ast
import re
import sys
from collections import Counter
from pathlib import Path

PACKAGE = Path("src/napari_microenhance")
HERE = Path(__file__).resolve().parents[1]


def classes(root: Path) -> dict[str, list[ast.ClassDef]]:
    """Return the classes of the package, by name."""
    found: dict[str, list[ast.ClassDef]] = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        if "cli" in path.relative_to(root / PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                node.path = path
                found.setdefault(node.name, []).append(node)
    return found


def ancestors(name: str, known: dict[str, list[ast.ClassDef]]) -> int:
    """Return how many classes of the project stand above one."""
    depths = [0]
    for node in known.get(name, ()):
        for base in node.bases:
            base_name = ast.unparse(base).partition("[")[0].rpartition(".")[2]
            if base_name in known and base_name != name:
                depths.append(1 + ancestors(base_name, known))
    return max(depths)


def methods(node: ast.ClassDef) -> int:
    """Return how many methods a class defines."""
    return sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body)


def record_subscripts(root: Path) -> int:
    """Return how often a report or record is asked by a string outside `records`."""
    asked = re.compile(r"\b(report|record|_record|_report)(\(\))?\[\"|\b(report|record)\.get\(\"")
    return sum(
        len(asked.findall(path.read_text("utf-8")))
        for path in (root / PACKAGE).rglob("*.py")
        if "records" not in path.parts
    )


def private_accesses(root: Path) -> int:
    """Return how many lines of the tests reach into a private attribute of something."""
    inside = re.compile(r"(?<!self)(?<!cls)\._[a-z]\w*")
    return sum(
        bool(inside.search(line))
        for path in (root / "tests").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if not line.lstrip().startswith(("from ", "import ", "#"))
    )


def figures(root: Path) -> dict[str, object]:
    """Return the figures of one checkout."""
    source = root / PACKAGE
    files = sorted(source.rglob("*.py"))
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in files}
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    folder, most = folders.most_common(1)[0]
    known = classes(root)
    inner = {
        n: nodes for n, nodes in known.items() if any("widgets" in c.path.parts for c in nodes)
    }
    deepest = max(inner, key=lambda n: ancestors(n, known))
    largest = max((c for nodes in known.values() for c in nodes), key=methods)
    stems = Counter(
        p.stem
        for p in files
        if p.name != "__init__.py" and "cli" not in p.relative_to(source).parts
    )
    longest = max(files, key=lines.__getitem__)
    table: dict[str, object] = {
        "files": len(files),
        "lines": sum(lines.values()),
        "lines of tests": sum(
            len(p.read_text("utf-8").splitlines()) for p in (root / "tests").rglob("*.py")
        ),
        "longest file": f"{lines[longest]} ({longest.relative_to(source)})",
        "largest folder, modules": f"{most} ({folder.relative_to(source)})",
        "deepest inheritance in widgets": f"{ancestors(deepest, known)} ({deepest})",
        "largest class, methods": f"{methods(largest)} ({largest.name})",
        "module stems that occur twice": sum(n > 1 for n in stems.values()),
        "public class names that occur twice": sum(
            len(nodes) > 1 for name, nodes in known.items() if not name.startswith("_")
        ),
        "string subscripts on records": record_subscripts(root),
        "suppressions of Any": sum(p.read_text("utf-8").count("ANN401") for p in files),
        "private accesses in tests": private_accesses(root),
    }
    for part in sorted({p.relative_to(source).parts[0] for p in files}):
        inside = [p for p in files if p.relative_to(source).parts[0] == part]
        table[f"`{part}`: files, lines"] = f"{len(inside)}, {sum(lines[p] for p in inside)}"
    return table


def main(roots: list[Path]) -> None:
    """Print one column per checkout."""
    columns = [figures(root) for root in roots]
    names = list(dict.fromkeys(name for column in columns for name in column))
    print("| figure |" + "".join(f" {root.name} |" for root in roots))
    print("|---|" + "---|" * len(roots))
    for name in names:
        print(f"| {name} |" + "".join(f" {column.get(name, '-')} |" for column in columns))


if __name__ == "__main__":
    main([Path(argument).resolve() for argument in sys.argv[1:]] or [HERE])

#!/usr/bin/env python3
"""Holds the texts and the tests together.

docs/protocol.md      every MUST carries an id and every id is cited by a test (CONTRIBUTING.md shows how)
docs/requirements.md  every row stands exactly once; every row cited in code or docs exists
docs/threat-model.md  every attack stands exactly once; every test named there exists

    .ci/spec.py                  check the tree
    .ci/spec.py --list-uncited   print the ids that no test cites
    .ci/spec.py --list-attacks   print, per attack, the tests whose names begin with its number
    .ci/spec.py --self-test      plant one fault of each kind and demand that it is found
"""

import pathlib
import re
import sys
import tempfile

import rust_source

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROTOCOL, REQUIREMENTS, THREATS = "docs/protocol.md", "docs/requirements.md", "docs/threat-model.md"
ROWS = [f"S{document}-{row}" for document, last in ((0, 34), (1, 36), (2, 64), (3, 24), (4, 12)) for row in range(1, last + 1)]
ATTACKS = [f"{kind}{n}" for kind, last in (("H", 29), ("D", 38), ("L", 17), ("G", 15), ("M", 17), ("E", 8)) for n in range(1, last + 1)]
STATE = re.compile(r"slice|later: (?:services|scale|transport|dialogue|resume|management|control)|(?:conceptual|not done): \S.*")


# The normative text


class Rule:
    def __init__(self, name: str, line: int):
        self.name, self.line = name, line
        self.citations = []


_HEADING = re.compile(r"#{1,6}\s+(?:(?P<number>\d+(?:\.\d+)*)\.?\s+)?(?P<title>.*?)\s*#*$")
_ID = re.compile(r"\[P-(\d+(?:\.\d+)*)-(\d+)\]")
_BINDING = re.compile(r"\b(?:MUST|SHALL)\b")
_REFERENCE = re.compile(r"(?<![\w\[-])P-\d+(?:\.\d+)*-\d+(?![\w-])")


def blocks(text: str):
    """Yields (section number or None, section titles, line, text) of every paragraph, list item and table row outside fences."""
    section, depth_of_title, titles = None, 0, {}
    current, start, fence = [], 0, None
    lines = text.splitlines() + [""]
    for number, line in enumerate(lines, 1):
        marker = re.match(r"\s*(```+|~~~+)", line)
        heading = _HEADING.fullmatch(line) if fence is None else None
        item = re.match(r"\s*(?:[-*+]|\d+[.)])\s|\s*\|", line)
        if current and (not line.strip() or marker or heading or item):
            yield section, tuple(titles.values()), start, "\n".join(current)
            current = []
        if marker:
            if fence is None:
                fence = marker.group(1)[:3]
            elif marker.group(1).startswith(fence):
                fence = None
            continue
        if fence is not None or not line.strip():
            continue
        if heading:
            depth_of_title = len(line) - len(line.lstrip("#"))
            titles = {depth: title for depth, title in titles.items() if depth < depth_of_title}
            titles[depth_of_title] = heading.group("title")
            section = heading.group("number")
            continue
        if not current:
            start = number
        current.append(line)


def read_protocol(text: str):
    """Returns the rules by name and the faults of the text itself."""
    rules, faults = {}, []
    for section, titles, line, block in blocks(text):
        if "Conventions" in titles:
            continue
        prose = re.sub(r"`[^`]*`", lambda match: " " * len(match.group()), block)
        first_id = None
        for match in _ID.finditer(prose):
            first_id = match.start() if first_id is None else first_id
            name = f"P-{match.group(1)}-{match.group(2)}"
            if match.group(1) != section:
                faults.append(f"{PROTOCOL}:{line}: [{name}] stands in section {section or 'without number'}")
            if name in rules:
                faults.append(f"{PROTOCOL}:{line}: [{name}] is already taken in line {rules[name].line}")
            else:
                rules[name] = Rule(name, line)
        binding = _BINDING.search(prose)
        if binding and (first_id is None or binding.start() < first_id):
            faults.append(f"{PROTOCOL}:{line}: {binding.group()} without an id before it: {' '.join(block.split())[:80]}")
    for section, titles, line, block in blocks(text):
        for match in _REFERENCE.finditer(block):
            if match.group() not in rules:
                faults.append(f"{PROTOCOL}:{line}: refers to {match.group()}, which does not exist")
    return rules, faults


# The tests


_CITATION = re.compile(r"^[ \t]*//=(?P<rest>.*)$", re.MULTILINE)
_CITED = re.compile(r"docs/protocol\.md((?:[ ,]+P-\d+(?:\.\d+)*-\d+)+)\s*")
_FUNCTION = re.compile(r"\bfn\s+([a-z_]\w*)")


def sources(root: pathlib.Path):
    for top in ("crates", "tests", "fuzz"):
        for path in sorted((root / top).rglob("*.rs")):
            relative = path.relative_to(root)
            if "target" not in relative.parts:
                yield relative, path.read_text()


def is_test_file(relative: pathlib.PurePath) -> bool:
    return relative.name == "tests.rs" or "tests" in relative.parts[:-1] or relative.parts[0] == "fuzz"


def read_citations(root: pathlib.Path, rules: dict):
    faults, count = [], 0
    for relative, text in sources(root):
        for match in _CITATION.finditer(text):
            where = f"{relative.as_posix()}:{rust_source.line_of(text, match.start('rest'))}"
            cited = _CITED.fullmatch(match.group("rest").strip())
            if cited is None:
                faults.append(f"{where}: not of the form `//= {PROTOCOL} P-4.2-3`")
                continue
            if not is_test_file(relative):
                faults.append(f"{where}: a citation outside a test file")
                continue
            if not _FUNCTION.search(text):
                faults.append(f"{where}: a citation in a file without a function, which tests nothing")
                continue
            for name in re.findall(r"P-[\d.]+-\d+", cited.group(1)):
                count += 1
                if name in rules:
                    rules[name].citations.append(where)
                else:
                    faults.append(f"{where}: cites {name}, which {PROTOCOL} does not have")
    return faults, count


def check_references(root: pathlib.Path, rules: dict):
    """A rule may be named anywhere; the name must be right."""
    return [
        f"{relative.as_posix()}:{rust_source.line_of(text, match.start())}: names {match.group()}, which {PROTOCOL} does not have"
        for relative, text in sources(root)
        for match in _REFERENCE.finditer(_CITATION.sub(lambda citation: rust_source.blank(citation.group()), text))
        if match.group() not in rules
    ]


def test_functions(root: pathlib.Path):
    """Names of all functions in test files and under `#[cfg(test)]`."""
    names = set()
    for relative, text in sources(root):
        code = rust_source.strip_literals_and_comments(text)
        found = set(_FUNCTION.findall(code))
        if not is_test_file(relative):
            kept = rust_source.strip_tests(code)
            found -= set(_FUNCTION.findall(kept))
        names |= found
    return names


# The two tables


def table_rows(text: str, key: str):
    """Yields (line, cells) of every table row whose first cell is of the given form."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if cells and re.fullmatch(key, cells[0]):
                yield number, cells


def check_table(root: pathlib.Path, file: str, key: str, expected: list, columns: int, functions: set):
    faults, seen, proven = [], {}, 0
    for line, cells in table_rows((root / file).read_text(), key):
        where = f"{file}:{line}"
        if len(cells) != columns:
            faults.append(f"{where}: {len(cells)} columns instead of {columns}")
            continue
        if cells[0] in seen:
            faults.append(f"{where}: {cells[0]} stands already in line {seen[cells[0]]}")
        seen[cells[0]] = line
        if cells[0] not in expected:
            faults.append(f"{where}: {cells[0]} is no known number")
        tests = re.findall(r"`(?:\w+::)*([a-z_]\w*)`", cells[-1])
        proven += bool(tests)
        for name in tests:
            if name not in functions:
                faults.append(f"{where}: {cells[0]} names the test `{name}`, which does not exist")
        if file == REQUIREMENTS and not STATE.fullmatch(cells[2]):
            faults.append(f"{where}: {cells[0]} has no state that is allowed: `{cells[2]}`")
    faults += [f"{file}: {name} is missing" for name in expected if name not in seen]
    return faults, proven


def check_row_citations(root: pathlib.Path):
    faults, known = [], set(ROWS)
    files = [(relative, text) for relative, text in sources(root)]
    files += [(path.relative_to(root), path.read_text()) for path in sorted((root / "docs").rglob("*.md"))]
    for relative, text in files:
        if relative.as_posix() == REQUIREMENTS:
            text = re.sub(r"^\| S\d-\d+ \|", "|", text, flags=re.MULTILINE)
        for match in re.finditer(r"(?<![\w-])S\d-\d+(?![\w-])", text):
            if match.group() not in known:
                line = rust_source.line_of(text, match.start())
                faults.append(f"{relative.as_posix()}:{line}: cites {match.group()}, which {REQUIREMENTS} does not have")
    return faults


def check(root: pathlib.Path):
    """Returns the faults, the lines of the summary and the rules."""
    rules, faults = read_protocol((root / PROTOCOL).read_text())
    if not rules:
        faults.append(f"{PROTOCOL}: no rule found, so nothing was checked")
    more, citations = read_citations(root, rules)
    faults += more + check_references(root, rules)
    uncited = [rule for rule in rules.values() if not rule.citations]
    faults += [f"{PROTOCOL}:{rule.line}: no test cites {rule.name}" for rule in uncited]
    functions = test_functions(root)
    more, rows_shown = check_table(root, REQUIREMENTS, r"S\d-\d+", ROWS, 4, functions)
    faults += more
    more, attacks_tested = check_table(root, THREATS, r"[A-Z]\d+", ATTACKS, 4, functions)
    faults += more + check_row_citations(root)
    summary = [
        f"protocol: {len(rules)} rules, {len(rules) - len(uncited)} cited by {citations} citations",
        f"requirements: {len(ROWS)} rows, {rows_shown} shown by a named test",
        f"threat model: {len(ATTACKS)} attacks, {attacks_tested} with a named test",
    ]
    return faults, summary, rules


# Self-test


GOOD_PROTOCOL = """# Protocol
## Conventions
MUST is meant as usual.
### Inside
MUST too.
## 4. Wire
### 4.2 Header
[P-4.2-1] A receiver MUST drop it. [P-4.2-2] It MUST NOT answer (as P-4.2-1).
- [P-4.2-3] An item MUST do.
| [P-4.2-4] a row | MUST |
```
MUST in a fence, `[P-9-9]`
```
The word `MUST` quoted.
## 10 Other
[P-10-1] MUST.
"""
GOOD_TESTS = """//= docs/protocol.md P-4.2-1
#[test] fn d5_flip() {}
    //= docs/protocol.md P-4.2-2, P-4.2-3
    //= docs/protocol.md P-4.2-4 P-10-1
#[test] fn other() {} // S0-21
"""


def self_test() -> int:
    good = {
        PROTOCOL: GOOD_PROTOCOL,
        REQUIREMENTS: "| row | what | state | shown by |\n|---|---|---|---|\n"
        + "".join(f"| {row} | a \\| b | slice | {'`other`' if row == 'S0-1' else '–'} |\n" for row in ROWS),
        THREATS: "".join(f"| {attack} | w | e | {'`tests::d5_flip`' if attack == 'D5' else '–'} |\n" for attack in ATTACKS),
        "crates/a/src/tests.rs": GOOD_TESTS,
        "crates/a/src/lib.rs": "// P-4.2-1 asks for it\nfn code() {}\n#[cfg(test)]\nmod t { fn inner() {} }\n",
    }

    def change(file, old, new):
        assert old in good[file], (file, old)
        return {file: good[file].replace(old, new, 1)}

    plants = {
        "MUST without id": (change(PROTOCOL, "[P-10-1] MUST", "[P-10-1] x\n\nIt MUST NOT"), "without an id"),
        "MUST before the id": (change(PROTOCOL, "[P-10-1] MUST", "It MUST. [P-10-1] MUST"), "without an id"),
        "MUST in a list item": (change(PROTOCOL, "- [P-4.2-3] An item", "- [P-4.2-3] An item\n- It"), "without an id"),
        "duplicate id": (change(PROTOCOL, "[P-10-1] MUST.", "[P-10-1] MUST.\n\n[P-10-1] MUST."), "already taken"),
        "id of another section": (change(PROTOCOL, "## 10 Other", "## 11 Other"), "stands in section 11"),
        "unknown reference": (change(PROTOCOL, "as P-4.2-1", "as P-4.2-9"), "refers to P-4.2-9"),
        "uncited": (change("crates/a/src/tests.rs", " P-10-1", ""), "no test cites P-10-1"),
        "unknown id cited": (change("crates/a/src/tests.rs", "P-10-1", "P-10-1 P-10-2"), "cites P-10-2"),
        "malformed citation": (change("crates/a/src/tests.rs", "#[test] fn other", "//= P-4.2-1\n#[test] fn other"), "not of the form"),
        "citation in code": ({"crates/a/src/b.rs": "//= docs/protocol.md P-4.2-1\nfn f() {}"}, "outside a test file"),
        "unknown rule named in code": ({"crates/a/src/b.rs": "// because of P-4.2-9\nfn f() {}"}, "names P-4.2-9"),
        "citation that tests nothing": ({"crates/a/tests/b.rs": "//= docs/protocol.md P-4.2-1\n"}, "tests nothing"),
        "no rules at all": (
            {PROTOCOL: "# P\n", "crates/a/src/tests.rs": re.sub("//=.*", "", GOOD_TESTS), "crates/a/src/lib.rs": "#[cfg(test)]\nmod tests;\n"},
            "nothing was checked",
        ),
        "row missing": (change(REQUIREMENTS, "| S2-64 |", "| – |"), "S2-64 is missing"),
        "row twice": (change(REQUIREMENTS, "| S2-64 |", "| S2-64 | x | slice | – |\n| S2-64 |"), "stands already"),
        "unknown row": (change(REQUIREMENTS, "| S2-64 |", "| S2-65 | x | slice | – |\n| S2-64 |"), "no known number"),
        "state unknown": (change(REQUIREMENTS, "| S1-1 | a \\| b | slice", "| S1-1 | a \\| b | done"), "no state"),
        "test of a row does not exist": (change(REQUIREMENTS, "`other`", "`gone`"), "does not exist"),
        "row cited that is not there": ({"crates/a/src/b.rs": "// S4-13\n"}, "cites S4-13"),
        "row cited in docs": ({"docs/x.md": "S1-37"}, "cites S1-37"),
        "attack missing": (change(THREATS, "| E7 |", "| – |"), "E7 is missing"),
        "test of an attack does not exist": (change(THREATS, "d5_flip", "d5_flop"), "does not exist"),
        "test of an attack is ordinary code": (change(THREATS, "d5_flip", "code"), "does not exist"),
    }

    def run(files):
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return check(root)[0]

    failures = [f"a clean tree: {fault}" for fault in run(good)]
    failures += [f"a test under cfg(test): {fault}" for fault in run(good | change(THREATS, "d5_flip", "inner"))]
    for name, (files, expected) in plants.items():
        found = run(good | files)
        if len(found) != 1 or expected not in found[0]:
            failures.append(f"{name}: expected one fault with `{expected}`, got {found}")
    for failure in failures:
        print(f"spec.py --self-test: {failure}", file=sys.stderr)
    print(f"spec.py --self-test: {len(plants)} planted faults, {len(failures)} failures")
    return 1 if failures else 0


def list_attacks(root: pathlib.Path):
    functions = sorted(test_functions(root))
    for attack in ATTACKS:
        names = [name for name in functions if name.startswith(attack.lower() + "_")]
        if names:
            print(attack, *names)


def main() -> int:
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        return self_test()
    if arguments == ["--list-attacks"]:
        list_attacks(ROOT)
        return 0
    if arguments not in ([], ["--list-uncited"]):
        print(__doc__, file=sys.stderr)
        return 2
    faults, summary, rules = check(ROOT)
    if arguments:
        print("\n".join(rule.name for rule in rules.values() if not rule.citations))
        return 0
    for fault in faults:
        print(fault, file=sys.stderr)
    print("\n".join(summary))
    print(f"spec: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

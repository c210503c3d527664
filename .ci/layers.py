#!/usr/bin/env python3
"""Checks the levels of session-core, that it stays free of std, and that nobody reads a clock where none may be read.

    .ci/layers.py              check the tree against docs/layers.toml
    .ci/layers.py --self-test  plant one fault of each kind and demand that it is found
"""

import fnmatch
import pathlib
import re
import sys
import tempfile
import tomllib

import rust_source

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORE = pathlib.PurePosixPath("crates/session-core/src")


class Table:
    """docs/layers.toml."""

    def __init__(self, text: str):
        data = tomllib.loads(text)
        self.patterns = {name: level["number"] for level in data["level"] for name in level["modules"]}
        self.allowed = [(rule["from"], rule["to"], rule["reason"]) for rule in data.get("allow", [])]
        self.clock_files = data.get("clock", {}).get("files", [])

    def level(self, module: str):
        """The level of the longest pattern that matches, or None."""
        best = max((p for p in self.patterns if matches(p, module)), key=lambda p: (not p.endswith("*"), len(p)), default=None)
        return None if best is None else self.patterns[best]

    def allows(self, importer: str, imported: str) -> bool:
        return any(matches(source, importer) and matches(target, imported) for source, target, _ in self.allowed)


def matches(pattern: str, module: str) -> bool:
    if pattern.endswith("/*"):
        return module == pattern[:-2] or module.startswith(pattern[:-1])
    return module == pattern


def is_test_path(path: pathlib.PurePath) -> bool:
    return path.name == "tests.rs" or "tests" in path.parts[:-1]


def module_of(path: pathlib.PurePath) -> str:
    """`wire/mod.rs` and `wire.rs` are both the module `wire`."""
    parts = list(path.with_suffix("").parts)
    if parts[-1] == "mod" and len(parts) > 1:
        parts.pop()
    return "/".join(parts)


def ancestors(module: str):
    """The module and all that contain it, except the crate."""
    parts = module.split("/")
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]


def declared_for_tests(module: str, whole: dict, code: dict) -> bool:
    """Whether its parent declares it under `#[cfg(test)]`."""
    parent, _, name = module.rpartition("/")
    declaration = re.compile(rf"\bmod\s+{name}\s*;")
    parent = parent or "lib"
    return bool(declaration.search(whole.get(parent, ""))) and not declaration.search(code.get(parent, ""))


class Crate:
    """The core's non-test files: module name -> code without literals, comments and tests."""

    def __init__(self, source_root: pathlib.Path):
        self.code, self.path, whole = {}, {}, {}
        for path in sorted(source_root.rglob("*.rs")):
            relative = path.relative_to(source_root)
            if is_test_path(relative):
                continue
            module = module_of(relative)
            self.path[module] = relative
            whole[module] = rust_source.strip_literals_and_comments(path.read_text())
            self.code[module] = rust_source.strip_tests(whole[module])
        for module in sorted(whole):
            if any(declared_for_tests(ancestor, whole, self.code) for ancestor in ancestors(module)):
                del self.code[module]
        self.children = {}
        for module in self.code:
            if module != "lib":
                parent, _, name = module.rpartition("/")
                self.children.setdefault(parent or "lib", {})[name] = module
        self.reexports = {}
        for module, code in self.code.items():
            for _, path, name, public in rust_source.uses(code):
                if public:
                    self.reexports.setdefault(module, {})[name] = path

    def resolve(self, importer: str, path: tuple, depth: int = 0):
        """The module in which the imported thing lives, or None if it is not of this crate."""
        here, rest = importer, list(path)
        if rest[0] == "crate":
            here, rest = "lib", rest[1:]
        elif rest[0] == "self":
            rest = rest[1:]
        elif rest[0] == "super":
            while rest and rest[0] == "super":
                here, rest = (here.rpartition("/")[0] or "lib"), rest[1:]
        elif rest[0] not in self.children.get(here, {}):
            return None
        for index, name in enumerate(rest):
            child = self.children.get(here, {}).get(name)
            if child is not None:
                here = child
                continue
            target = self.reexports.get(here, {}).get(name)
            if target is not None and depth < 8 and here != importer:
                return self.resolve(here, target + tuple(rest[index + 1 :]), depth + 1) or here
            break
        return here

    def imports(self, module: str):
        """Yields (line, text of the path, home of what it names)."""
        code = self.code[module]
        found = [(offset, path) for offset, path, _, _ in rust_source.uses(code)]
        found += list(rust_source.inline_paths(code))
        for offset, path in found:
            home = self.resolve(module, path)
            if home is not None:
                yield rust_source.line_of(code, offset), "::".join(path), home


def folder(module: str) -> str:
    """The top folder; all files directly under src/ share one. `wire` is the face of the folder `wire`."""
    return module.split("/")[0]


def same_folder(one: str, other: str, crate: Crate) -> bool:
    def key(module):
        return folder(module) if "/" in module or module in crate.children else ""

    return key(one) == key(other)


def check_levels(root: pathlib.Path, table: Table):
    crate = Crate(root / CORE)
    faults = []
    for module in sorted(crate.code):
        where = CORE / crate.path[module]
        own = table.level(module)
        if own is None:
            faults.append(f"{where}: module `{module}` has no level in docs/layers.toml")
            continue
        for line, text, home in crate.imports(module):
            level = table.level(home)
            if home == module or level is None or level < own or table.allows(module, home):
                continue
            if level == own and same_folder(module, home, crate):
                continue
            kind = "the same level, another folder" if level == own else f"level {level}"
            faults.append(f"{where}:{line}: level {own} imports `{text}` from `{home}` ({kind})")
    return faults, len(crate.code)


_STD = re.compile(r"(?<![\w:])(?:::)?std\s*::|\bextern\s+crate\s+std\b|\buse\s+std\s*[;:]")


def check_no_std(root: pathlib.Path):
    crate = Crate(root / CORE)
    return [
        f"{CORE / crate.path[module]}:{rust_source.line_of(code, match.start())}: `std` in the core outside tests"
        for module, code in sorted(crate.code.items())
        for match in _STD.finditer(code)
    ]


_CLOCK = re.compile(r"\b(?:Instant|SystemTime|StdInstant)\s*::\s*now\b|\bUtc\s*::\s*now\b")


def check_clocks(root: pathlib.Path, table: Table):
    """Test code is not exempt: it must not depend on time either."""
    faults = []
    for top in ("crates", "tests", "fuzz"):
        for path in sorted((root / top).rglob("*.rs")):
            relative = path.relative_to(root)
            if "target" in relative.parts or any(glob(relative, pattern) for pattern in table.clock_files):
                continue
            code = rust_source.strip_literals_and_comments(path.read_text())
            for match in _CLOCK.finditer(code):
                line = rust_source.line_of(code, match.start())
                faults.append(f"{relative.as_posix()}:{line}: `{match.group()}` outside a clock file (docs/layers.toml, [clock])")
    return faults


def glob(path: pathlib.PurePath, pattern: str) -> bool:
    """`**` stands for any folders, none included."""
    text = path.as_posix()
    return fnmatch.fnmatchcase(text, pattern.replace("/**/", "/*/")) or fnmatch.fnmatchcase(text, pattern.replace("/**/", "/"))


def check(root: pathlib.Path):
    table = Table((root / "docs/layers.toml").read_text())
    faults, modules = check_levels(root, table)
    if modules == 0:
        faults.append(f"{CORE}: no source found, so nothing was checked")
    return faults + check_no_std(root) + check_clocks(root, table), modules


def self_test() -> int:
    good = {
        "lib.rs": "//! ::std is a word here\npub mod time;\nmod pool;\nmod wire;\nmod handshake;\nmod channel;\npub use time::Instant;\n#[cfg(test)]\nextern crate std;\n",
        "time.rs": "pub struct Instant(u64);\n#[cfg(test)]\nmod tests;\n",
        "time/tests.rs": "use std::vec::Vec;\nuse crate::handshake::Machine;\n",
        "pool.rs": "use crate::time::Instant;\n#[cfg(test)]\nmod tests { use crate::channel::X; use std::vec; }\n",
        "wire/mod.rs": "pub(crate) mod frame;\npub(crate) mod reader;\npub(crate) use frame::Frame;\n",
        "wire/reader.rs": "use crate::time::Instant; // crate::handshake::Machine\nconst S: &str = \"crate::handshake std::x\";\n",
        "wire/frame.rs": "use super::reader::Reader;\nuse crate::Instant;\n",
        "handshake/mod.rs": "mod state;\nuse crate::wire::Frame;\nfn f() { crate::pool::g() }\n",
        "handshake/state.rs": "use super::Machine;\nuse crate::{time::Instant, wire::{frame::Frame, reader::Reader as R}};\n",
        "channel/mod.rs": "#[cfg(test)]\nmod vectors;\nuse crate::pool::Pool;\n",
        "channel/vectors.rs": "use std::vec::Vec;\nuse crate::handshake::Machine;\n",
    }
    plants = {
        "a module without a level": ("new.rs", "struct New;", "no level"),
        "an import upwards": ("wire/reader.rs", "use crate::handshake::Machine;", "level 1 imports `crate::handshake::Machine`"),
        "an import upwards in braces": ("pool.rs", "use crate::{time::Instant, channel::{X}};", "from `channel`"),
        "an import upwards in an expression": ("pool.rs", "fn f() { super::channel::g() }", "from `channel`"),
        "an import upwards behind a re-export": ("time.rs", "use crate::Wrapped;", "from `pool`"),
        "an import sideways": ("channel/mod.rs", "#[cfg(test)]\nmod vectors;\nuse crate::handshake::Machine;", "another folder"),
        "std in the core": ("pool.rs", "use std::vec::Vec;", "`std` in the core"),
        "std in an expression": ("pool.rs", "fn f() { ::std::mem::drop(1) }", "`std` in the core"),
        "a clock in the core's tests": ("time/tests.rs", "fn f() { let _ = std::time::Instant::now(); }", "outside a clock file"),
        "a clock in a driver": ("../../session-driver/src/lib.rs", "fn f() { SystemTime::now(); }", "outside a clock file"),
    }
    good["lib.rs"] += "pub use pool::Wrapped;\n"

    def run(files):
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            (root / "docs").mkdir()
            (root / "docs/layers.toml").write_text((ROOT / "docs/layers.toml").read_text())
            for name, text in files.items():
                path = root / CORE / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check(root)[0]

    clock = {"../../session-tokio/src/clock.rs": "fn f() { Instant::now(); }"}
    failures = [f"a clean tree: {fault}" for fault in run(good | clock)]
    for name, (file, text, expected) in plants.items():
        found = run(good | {"../../session-driver/src/x.rs": ""} | {file: text})
        if len(found) != 1 or expected not in found[0]:
            failures.append(f"{name}: expected one fault with `{expected}`, got {found}")
    for failure in failures:
        print(f"layers.py --self-test: {failure}", file=sys.stderr)
    print(f"layers.py --self-test: {len(plants)} planted faults, {len(failures)} failures")
    return 1 if failures else 0


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    faults, modules = check(ROOT)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"layers: {modules} modules of session-core, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Checks licences, sources and bans of all dependencies against deny.toml.

    .ci/deny.py              check the workspaces of this repository
    .ci/deny.py --self-test  plant one fault of each kind and demand that it is found
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKSPACES = [".", "fuzz", "tests/cortex-m", "tests/embassy"]


# How cargo's default registry, `crates-io` in deny.toml, names itself in a source.
INDEX = "crates-io".replace("-", ".")


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    license: str | None = "MIT"
    source: str | None = f"registry+.../{INDEX}-index"
    inside: bool = False

    def __str__(self):
        return f"{self.name} {self.version}"


# Licences


def licence_allowed(expression: str, allowed: set) -> bool:
    """Evaluates an SPDX expression; the old `MIT/Apache-2.0` means OR."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def peek():
        return tokens[position] if position < len(tokens) else None

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def either():
        value = both()
        while peek() == "OR":
            take()
            value = both() or value
        return value

    def both():
        value = single()
        while peek() == "AND":
            take()
            value = single() and value
        return value

    def single():
        if peek() in (None, ")", "OR", "AND", "WITH"):
            raise ValueError(expression)
        name = take()
        if name == "(":
            value = either()
            if peek() != ")":
                raise ValueError(expression)
            take()
            return value
        if peek() == "WITH":
            take()
            name = f"{name} WITH {take()}"
        return name in allowed

    value = either()
    if position != len(tokens):
        raise ValueError(expression)
    return value


def check_licences(packages, table):
    faults, used = [], set()
    for package in packages:
        allowed = set(table["allow"])
        for exception in table.get("exceptions", []):
            if exception["crate"] == package.name:
                allowed |= set(exception["allow"])
                used.add(package.name)
        try:
            fine = package.license is not None and licence_allowed(package.license, allowed)
        except (ValueError, IndexError):
            fine = False
        if not fine:
            faults.append(f"{package}: licence `{package.license}` is not allowed")
    for exception in table.get("exceptions", []):
        if exception["crate"] not in used:
            faults.append(f"deny.toml: the licence exception for {exception['crate']} is not needed any more")
    return faults


# Sources


def check_sources(packages, table):
    faults = []
    for package in packages:
        if package.source is None:
            if not package.inside:
                faults.append(f"{package}: a path outside this repository")
        elif not ("crates-io" in table["allow"] and re.fullmatch(rf"(registry|sparse)\+\S*/?\b{re.escape(INDEX)}\S*", package.source)):
            faults.append(f"{package}: source `{package.source}` is not allowed")
    return faults


# Bans


def version_key(version: str):
    return tuple(int(part) for part in re.match(r"\d+(?:\.\d+)*", version).group().split("."))


def version_matches(version: str, condition: str) -> bool:
    """`*`, or one of < <= >= > = before a version; missing parts count as 0."""
    if condition == "*":
        return True
    operator, bound = re.fullmatch(r"(<=|>=|<|>|=)\s*(\d+(?:\.\d+)*)", condition).groups()
    left, right = version_key(version), version_key(bound)
    width = max(len(left), len(right))
    left, right = (key + (0,) * (width - len(key)) for key in (left, right))
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right, "=": left == right}[operator]


def check_bans(packages, rules, owner):
    return [
        f"{owner} depends on {package}: {rule['reason']}"
        for package in packages
        for rule in rules
        if package.name == rule["crate"] and version_matches(package.version, rule["version"])
    ]


def check_single(packages, names, owner):
    versions = {}
    for package in packages:
        versions.setdefault(package.name, set()).add(package.version)
    return [
        f"{owner} depends on {len(found)} versions of {name}: {', '.join(sorted(found))}"
        for name, found in sorted(versions.items())
        if len(found) > 1 and ("*" in names or name in names)
    ]


# What cargo says


def cargo(*arguments) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def all_packages(workspace: str):
    """Every package of the workspace's lock file, for every target and feature."""
    text = cargo("metadata", "--locked", "--format-version", "1", "--all-features", "--manifest-path", f"{workspace}/Cargo.toml")
    for package in json.loads(text)["packages"]:
        manifest = pathlib.Path(package["manifest_path"])
        yield Package(package["name"], package["version"], package["license"], package["source"], manifest.is_relative_to(ROOT))


def shipped_packages(package: str):
    """What a user of `package` builds. `cargo tree`, because metadata mixes in features that other members turn on."""
    text = cargo("tree", "--locked", "--package", package, "--edges", "normal,build", "--target", "all", "--all-features",
                 "--prefix", "none", "--format", "{p}", "--no-dedupe")  # fmt: skip
    found = {re.match(r"(\S+) v(\S+)", line).groups() for line in text.splitlines() if line.strip()}
    return [Package(name, version) for name, version in sorted(found)]


def self_test() -> int:
    table = tomllib.loads((ROOT / "deny.toml").read_text())
    licences = dict(table["licenses"], exceptions=[{"crate": "odd", "allow": ["NCSA"], "reason": "test"}])
    odd = Package("odd", "1.0.0", "(MIT OR Apache-2.0) AND NCSA")
    deny = [{"crate": "rand_core", "version": "<0.10", "reason": "old"}]

    def lic(expression):
        return check_licences([Package("a", "1.0.0", expression), odd], licences)

    core = check_bans([Package("rand_core", "0.10.1"), Package("rand", "0.9.1")], deny, "x")
    clean = {
        "licences": lic("MIT OR GPL-3.0-only") + lic("MIT/Apache-2.0") + lic("(MIT OR GPL-2.0) AND Unicode-3.0"),
        "exception of LLVM": lic("Apache-2.0 WITH LLVM-exception OR GPL-2.0"),
        "sources": check_sources([Package("a", "1.0.0"), Package("b", "1.0.0", source=None, inside=True)], table["sources"]),
        "bans": core,
        "single": check_single([Package("a", "1.0.0"), Package("b", "2.0.0")], ["*"], "x"),
    }
    planted = {
        "copyleft": lic("GPL-3.0-only"),
        "copyleft besides": lic("MIT AND GPL-3.0-only"),
        "no licence": lic(None),
        "nonsense": lic("MIT OR"),
        "another's exception": lic("MIT AND NCSA"),
        "exception of LLVM on another licence": lic("GPL-2.0 WITH LLVM-exception"),
        "needless exception": check_licences([], licences),
        "git": check_sources([Package("a", "1.0.0", source="git+https://example.invalid/a")], table["sources"]),
        "other registry": check_sources([Package("a", "1.0.0", source="registry+https://example.invalid/index")], table["sources"]),
        "path outside": check_sources([Package("a", "1.0.0", source=None)], table["sources"]),
        "old generation": check_bans([Package("rand_core", "0.9.3")], deny, "x"),
        "snow in the core": check_bans([Package("snow", "0.10.0")], table["bans"]["deny"], "x"),
        "two versions": check_single([Package("a", "1.0.0"), Package("a", "2.0.0")], ["*"], "x"),
    }
    failures = [f"{name}: clean input, got {faults}" for name, faults in clean.items() if faults]
    failures += [f"{name}: one fault expected, got {faults}" for name, faults in planted.items() if len(faults) != 1]
    for failure in failures:
        print(f"deny.py --self-test: {failure}", file=sys.stderr)
    print(f"deny.py --self-test: {len(planted)} planted faults, {len(failures)} failures")
    return 1 if failures else 0


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    table = tomllib.loads((ROOT / "deny.toml").read_text())
    packages = sorted({package for workspace in WORKSPACES for package in all_packages(workspace)}, key=str)
    faults = check_licences(packages, table["licenses"]) + check_sources(packages, table["sources"])
    faults += check_bans(packages, table["bans"]["everywhere"]["deny"], "the workspace")
    for owner in table["bans"]["packages"]:
        shipped = shipped_packages(owner)
        faults += check_bans(shipped, table["bans"]["deny"], owner)
        faults += check_single(shipped, table["bans"]["single"], owner)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"deny: {len(packages)} packages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

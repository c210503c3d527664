#!/usr/bin/env python3
"""Plants the bugs of crates/session-sim/planted in a copy of the tree, one after the other, and demands that the simulator finds each.
The tree is that of the last commit: commit first.

    .ci/planted.py [NAME..]    all of them, or those named
    .ci/planted.py --check     only see whether every patch still fits
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATCHES = ROOT / "crates/session-sim/planted"
SEEDS = 200
MINIMUM = 15


def fits(patch: pathlib.Path) -> bool:
    return subprocess.run(["git", "apply", "--check", str(patch)], cwd=ROOT).returncode == 0


def hunt(patch: pathlib.Path, tree: pathlib.Path, target: pathlib.Path) -> str | None:
    """Plants, builds, runs, removes; returns what was found."""
    subprocess.run(["git", "apply", str(patch)], cwd=tree, check=True)
    try:
        command = ["cargo", "run", "--quiet", "--release", "--locked", "-p", "session-sim", "--target-dir", str(target), "--", "--seeds", str(SEEDS)]
        run = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=900)
    finally:
        subprocess.run(["git", "apply", "--reverse", str(patch)], cwd=tree, check=True)
    found = re.search(r"^VIOLATION at seed (.*)$", run.stdout, re.MULTILINE)
    if found is None and run.returncode != 0 and "error" in run.stderr:
        sys.exit(f"{patch.name} does not build:\n{run.stderr}")
    return found and found.group(1)[:200]


def main() -> int:
    patches = sorted(PATCHES.glob("*.patch"))
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    if names:
        patches = [patch for patch in patches if patch.stem in names]
        if len(patches) != len(names):
            print(f"planted: of {names} there are only {[patch.stem for patch in patches]}", file=sys.stderr)
            return 1
    elif len(patches) < MINIMUM:
        print(f"planted: {len(patches)} patches, {MINIMUM} are wanted", file=sys.stderr)
        return 1
    misfits = [patch.name for patch in patches if not fits(patch)]
    if misfits or "--check" in sys.argv:
        print(f"planted: {len(patches)} patches, {len(misfits)} do not fit {misfits or ''}")
        return 1 if misfits else 0
    missed = []
    with tempfile.TemporaryDirectory() as scratch:
        tree = pathlib.Path(scratch) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree)], cwd=ROOT, check=True)
        try:
            for patch in patches:
                found = hunt(patch, tree, ROOT / "target/planted")
                print(f"{patch.stem}: {'seed ' + found if found else 'NOT FOUND'}", flush=True)
                missed += [] if found else [patch.stem]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
    print(f"planted: {len(patches)} bugs, {len(missed)} missed {missed or ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

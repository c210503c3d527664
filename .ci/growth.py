#!/usr/bin/env python3
"""Counts the instructions of one call with so many of something in its way, and with twice as many (D24 of docs/threat-model.md).

    .ci/growth.py                count, print, and fail where twice as many cost more than 2.3 times as much
    .ci/growth.py --self-test    plant one fault of each kind and demand that it is found

The program is tests/examples/growth.rs: a peer makes what stands in the way, as one that wants the call slow would. callgrind counts the
call alone. Counts are those of the protocol, without the cipher, and hardly vary from run to run.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The smaller number of each: the larger is at a bound of the protocol, or at what the first congestion window lets go.
CASES = {
    "ranges": (16, "an acknowledgement of so many ranges"),
    "outstanding": (100, "an acknowledgement of the latest of so many packets"),
    "holes": (50, "a message behind so many holes"),
    "channels": (256, "a message on the last of so many dynamic channels"),
    "deadlines": (60, "an acknowledgement of the first of so many messages with deadlines"),
}
# More than this is not linear.
MOST = 2.3


def build() -> pathlib.Path:
    command = ["cargo", "build", "--release", "--locked", "-p", "session-tests", "--example", "growth", "--message-format", "json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.findall(r'"executable":"([^"]+/growth)"', output)
    if not found:
        sys.exit("growth: cargo names no program")
    return pathlib.Path(found[-1])


def count(program: pathlib.Path, case: str, number: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={folder}/out", "--toggle-collect=growth::counted*"]
        subprocess.run([*command, program, case, str(number)], check=True, timeout=300)
        return summary(pathlib.Path(folder, "out").read_text())


def summary(dump: str) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", dump, re.MULTILINE)
    return int(found[1]) if found else 0


def problems(table: dict) -> list:
    """What is wrong with the counts, by case: with few and with twice as many."""
    found = []
    for case, (few, many) in table.items():
        if min(few, many) <= 0:
            found.append(f"{case}: nothing was counted")
        elif many > MOST * few:
            found.append(f"{case}: {few:,} instructions, and {many:,} with twice as many in the way")
    return found


def self_test():
    assert problems({"ranges": (1_000, 2_000), "holes": (500, 400)}) == []
    assert len(problems({"ranges": (1_000, 2_301), "holes": (0, 400)})) == 2
    assert summary("version: 1\nsummary: 4711\n") == 4711 and summary("") == 0
    print("growth: self-test passed")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    program = build()
    runs = [(case, number) for case, (few, _) in CASES.items() for number in (few, 2 * few)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        counts = dict(zip(runs, pool.map(lambda run: count(program, *run), runs)))
    table = {case: (counts[case, few], counts[case, 2 * few]) for case, (few, _) in CASES.items()}
    for case, (few, many) in table.items():
        number, words = CASES[case]
        print(f"{few:>8,} instructions with {number:>3}, {many:>8,} with {2 * number:>3}: {many / max(few, 1):.2f}   {words}")
    found = problems(table)
    for problem in found:
        print(f"growth: {problem}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

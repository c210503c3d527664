#!/usr/bin/env python3
"""Counts the instructions of an idle poll, of an echo and of a bulk transfer's datagram, with 1, 1,000 and many sessions on the endpoint.

    .ci/instructions.py MANY         count, print, and fail where many sessions cost more than few,
                                     or one of the three more than its ceiling
    .ci/instructions.py --self-test  plant one fault of each kind and demand that it is found

The program is tests/examples/instructions.rs. callgrind counts it, switched on only after the sessions are up: counting 100,000
handshakes would take many minutes. Counts are those of the protocol alone, without the cipher, and hardly vary from run to run.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FEW = [1, 1_000]
# As in the program.
REPETITIONS = 1_000
COUNTED = {"idle_poll": "idle poll", "echo": "echo", "bulk": "bulk datagram"}
# After these callgrind writes down what it has counted since the last time; they do more than what is counted.
DUMPED = {"idle_polls": "idle_poll", "echoes": "echo", "transfers": "bulk"}
# Cost with many sessions over cost with few: more is not flat any more.
MOST = 1.5
# What may be spent at all, whatever the compiler makes of it.
MOST_OF_ALL = {"idle_poll": 120, "echo": 7_000, "bulk": 8_600}


def build() -> pathlib.Path:
    command = ["cargo", "build", "--release", "--locked", "-p", "session-tests", "--example", "instructions", "--message-format", "json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.findall(r'"executable":"([^"]+/instructions)"', output)
    if not found:
        sys.exit("instructions: cargo names no program")
    return pathlib.Path(found[-1])


def count(program: pathlib.Path, sessions: int) -> dict:
    """Instructions of each counted function, per repetition."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet", f"--callgrind-out-file={folder}/out"]
        command += [f"--toggle-collect=instructions::{function}" for function in COUNTED]
        command += [f"--dump-after=instructions::{function}" for function in DUMPED]
        process = subprocess.Popen([*command, program, str(sessions)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the program ended before {sessions} sessions were up")
        control = ["callgrind_control", "--instr=on", str(process.pid)]
        subprocess.run(control, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process.communicate("go\n", timeout=300)
        if process.returncode != 0:
            raise RuntimeError(f"the program failed with code {process.returncode}")
        return sums(path.read_text() for path in sorted(pathlib.Path(folder).iterdir()))


def sums(dumps) -> dict:
    """What callgrind has written, in whatever order."""
    total = dict.fromkeys(COUNTED, 0)
    for dump in dumps:
        trigger = re.search(r"^desc: Trigger: --dump-after=instructions::(\w+)", dump, re.MULTILINE)
        summary = re.search(r"^summary: (\d+)", dump, re.MULTILINE)
        if trigger and summary:
            total[DUMPED[trigger[1]]] += int(summary[1])
    return {function: instructions / REPETITIONS for function, instructions in total.items()}


def problems(table: dict) -> list:
    """What is wrong with the counts, by number of sessions and function."""
    found = []
    for function, name in COUNTED.items():
        *few, many = [table[sessions][function] for sessions in sorted(table)]
        if min(*few, many) <= 0:
            found.append(f"{name}: nothing was counted")
        elif many > MOST * min(few):
            found.append(f"{name}: {many:.0f} instructions with {max(table):,} sessions, {min(few):.0f} with fewer")
        if max(*few, many) > MOST_OF_ALL.get(function, max(*few, many)):
            found.append(f"{name}: {max(*few, many):.0f} instructions, more than {MOST_OF_ALL[function]}")
    return found


def self_test():
    flat = {sessions: {"idle_poll": 60.0, "echo": 6_000.0, "bulk": 8_000.0} for sessions in [*FEW, 100_000]}
    assert problems(flat) == []
    assert len(problems({**flat, 100_000: {"idle_poll": 91.0, "echo": 6_000.0, "bulk": 8_000.0}})) == 1
    assert len(problems({**flat, 1: {"idle_poll": 30.0, "echo": 3_000.0, "bulk": 8_000.0}})) == 2
    assert len(problems({**flat, 1_000: {"idle_poll": 60.0, "echo": 0.0, "bulk": 8_000.0}})) == 1
    assert len(problems({sessions: {"idle_poll": 121.0, "echo": 6_000.0, "bulk": 8_000.0} for sessions in flat})) == 1
    dump = "desc: Trigger: --dump-after=instructions::echoes\nsummary: 4000\n"
    assert sums([dump, "desc: Trigger: Program termination\nsummary: 9\n"]) == {"idle_poll": 0, "echo": 4, "bulk": 0}
    print("instructions: self-test passed")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    program, sizes = build(), [*FEW, int(sys.argv[1])]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        table = dict(zip(sizes, pool.map(lambda sessions: count(program, sessions), sizes)))
    for function, name in COUNTED.items():
        for sessions in sizes:
            print(f"{sessions:>7,} sessions: {table[sessions][function]:8.0f} instructions per {name}")
    found = problems(table)
    for problem in found:
        print(f"instructions: {problem}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

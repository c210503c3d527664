#!/usr/bin/env python3
"""Runs session on a Cortex-M3 and holds its figures to those of tests/cortex-m/figures.json.

    .ci/cortex_m.py              build, run in QEMU and on this machine, print the table; fail where a figure has grown by more than
                                 2 %, where both machines do not send the same bytes, or where a bound is broken. Then the
                                 Cortex-M3 and this machine exchange files over a serial line that loses and damages bytes
    .ci/cortex_m.py --update     write the figures found, and the table of docs/performance.md, if all but their growth is well
    .ci/cortex_m.py --self-test  plant one fault of each kind and demand that it is found

For the figures QEMU runs with `-icount shift=0`: its clock goes by instructions alone, so that all are the same from run to run.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGE = ROOT / "tests/cortex-m"
FIGURES = IMAGE / "figures.json"
PAGE = ROOT / "docs/performance.md"
TARGET = ROOT / "target/cortex-m"
TRIPLE = "thumbv7m-none-eabi"
QEMU = "qemu-system-arm -M mps2-an385 -cpu cortex-m3 -display none -monitor none -semihosting-config enable=on,target=native"

# A figure that has grown by more is a fault.
MOST_GROWTH = 1.02
# One side, with its datagram buffers.
MOST_RAM = 16 * 1024

# Name, unit and meaning of every figure.
MEANING = {
    "ram": ("bytes", "one end: its heap, static variables, two datagram buffers"),
    "heap_of_one": ("bytes", "heap of one end: session, keys, tables, a pool of 5 KiB"),
    "heap_of_two": ("bytes", "heap of both ends"),
    "datagram_buffers": ("bytes", "a datagram on its way out, one on its way in"),
    "data": ("bytes", "static variables that begin with something"),
    "bss": ("bytes", "static variables that begin with zeros"),
    "stack": ("bytes", "deepest stack, with that of the program around the ends"),
    "flash": ("bytes", "code and constants: the core, the ciphers, both ends' program"),
    "initiator": ("instructions", "a handshake at the end that begins"),
    "responder": ("instructions", "a handshake at the end that answers"),
    "sent": ("instructions", "a message of 64 bytes out, from the command to the datagram"),
    "received": ("instructions", "the same in, from the datagram to the application"),
}
# What the image says besides.
BESIDE = ["heap_after_second", "heap_after_last", "datagrams", "digest"]


def build():
    """Debian's toolchain has the sources of core and alloc; rustup's has no such target."""
    environment = {name: value for name, value in os.environ.items() if name not in ("RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CARGO_BUILD_TARGET")}
    environment |= {"RUSTC_BOOTSTRAP": "1", "PATH": f"/usr/bin:{os.environ['PATH']}", "CARGO_TARGET_DIR": str(TARGET), "CARGO_INCREMENTAL": "0"}
    subprocess.run(["/usr/bin/cargo", "build", "--release", "--locked", "--quiet"], cwd=IMAGE, env=environment, check=True, timeout=900)


def run_image() -> str:
    command = [*QEMU.split(), "-icount", "shift=0", "-serial", "none", "-kernel", TARGET / TRIPLE / "release/scenario"]
    finished = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    if finished.returncode != 0:
        raise SystemExit(f"cortex_m: the image failed:\n{finished.stdout}")
    return finished.stdout


def run_here() -> str:
    command = ["cargo", "test", "--locked", "--quiet", "-p", "session-tests", "--test", "cortex_m", "--", "--nocapture"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=900).stdout


def talk() -> tuple:
    """What the device and what the host say of files that crossed the serial line."""
    cargo = ["cargo", "build", "--locked", "-p", "session-tests", "--example", "serial", "--message-format", "json", "--quiet"]
    built = subprocess.run(cargo, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=900).stdout
    host = re.findall(r'"executable":"([^"]+/serial)"', built)[-1]
    with tempfile.TemporaryDirectory() as folder:
        line = pathlib.Path(folder) / "line"
        device = [*QEMU.split(), "-chardev", f"socket,id=line,path={line},server=on,wait=off", "-serial", "chardev:line"]
        device = subprocess.Popen([*device, "-kernel", TARGET / TRIPLE / "release/serial"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            limit = time.monotonic() + 30
            while not line.exists() and device.poll() is None and time.monotonic() < limit:
                time.sleep(0.05)
            here = subprocess.run([host, line], stdout=subprocess.PIPE, text=True, timeout=240)
            there, _ = device.communicate(timeout=30)
        finally:
            device.kill()
        return {"code": str(device.returncode)} | values(there), {"code": str(here.returncode)} | values(here.stdout)


def problems_of_talk(device: dict, host: dict) -> list:
    """What is wrong with what both said."""
    found = [f"the {name} failed: {said}" for name, said in [("device", device), ("host", host)] if said.get("code") != "0"]
    if found:
        return found
    for name, sender, receiver in [("host's", host, device), ("device's", device, host)]:
        if "sent" not in sender or sender["sent"] != receiver.get("received") or receiver.get("received_bytes") != "65536":
            found.append(f"the {name} file did not arrive: {receiver.get('received_bytes')} bytes, SHA-256 {receiver.get('received')} for {sender.get('sent')}")
        if int(sender.get("retransmitted", 0)) == 0 or int(receiver.get("damaged", 0)) == 0:
            found.append(f"the line was too quiet on the {name} way: nothing was damaged, or nothing sent again")
    return found


def values(output: str) -> dict:
    """Lines of a name and a value."""
    return dict(re.findall(r"^(\w+) ([0-9a-f]+)$", output, re.MULTILINE))


def figures_of(said: dict) -> dict:
    found = {name: int(value) for name, value in said.items() if name in MEANING}
    parts = ["heap_of_one", "datagram_buffers", "data", "bss"]
    if all(part in found for part in parts):
        found["ram"] = sum(found[part] for part in parts)
    return {name: found[name] for name in MEANING if name in found}


def problems(said: dict, here: dict, committed: dict) -> list:
    """What is wrong with what the image said, given what this machine said and what is committed."""
    missing = [name for name in [*MEANING, *BESIDE] if name != "ram" and name not in said]
    if missing:
        return [f"the image does not say {', '.join(missing)}"]
    found = []
    for name in ["digest", "datagrams"]:
        if said[name] != here.get(name):
            found.append(f"the {name} is {said[name]} on the Cortex-M3 and {here.get(name)} on this machine")
    heap = [int(said[name]) for name in ["heap_of_two", "heap_after_second", "heap_after_last"]]
    if len(set(heap)) > 1:
        found.append(f"the heap grew: {heap[0]} bytes when the ends were made, {heap[1]} after the second session, {heap[2]} after the last")
    figures = figures_of(said)
    if figures["ram"] > MOST_RAM:
        found.append(f"one end takes {figures['ram']} bytes, more than {MOST_RAM}")
    if list(committed) != list(figures):
        found.append("other figures are committed: run `just cortex-m-update`")
    for name in figures:
        if figures[name] == 0 and name not in ("data", "bss"):
            found.append(f"{name}: nothing was measured")
        elif name in committed and figures[name] > MOST_GROWTH * committed[name]:
            found.append(f"{name}: {figures[name]:,} {MEANING[name][0]}, {growth(figures[name], committed[name])} over the {committed[name]:,} committed")
    return found


def growth(now: int, before: int) -> str:
    return f"{100 * (now - before) / before:+.1f} %" if before else "new"


def table(figures: dict) -> str:
    rows = [f"| {meaning} | {figures[name]:,} | {unit} |" for name, (unit, meaning) in MEANING.items() if name in figures]
    return "\n".join(["| what | figure | |", "|---|---:|---|", *rows])


BEGIN, END = "<!-- cortex-m: figures -->", "<!-- cortex-m: end -->"


def with_table(page: str, figures: dict) -> str:
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table(figures)}\n{END}{rest.split(END)[1]}"


def self_test():
    said = {name: "1000" for name in [*MEANING, *BESIDE] if name != "ram"}
    said |= {"flash": "200000", "data": "0", "bss": "20"}
    here, committed = {name: said[name] for name in BESIDE}, figures_of(said)
    assert committed["ram"] == 2020 and list(committed) == list(MEANING)
    plants = [
        ("nothing", said, here, committed, None),
        ("growth of less than 2 %", said | {"stack": "1019"}, here, committed, None),
        ("less", said | {"stack": "900"}, here, committed, None),
        ("growth of 3 %", said, here, committed | {"stack": 970}, "stack: 1,000 bytes, +3.1 %"),
        ("growth of instructions", said, here, committed | {"responder": 970}, "responder: 1,000 instructions"),
        ("statics that were none", said | {"data": "8"}, here, committed, "data: 8 bytes"),
        ("a heap that grows", said | {"heap_after_last": "1008"}, here, committed, "the heap grew"),
        ("a heap that grows at first", said | {"heap_after_second": "1008", "heap_after_last": "1008"}, here, committed, "the heap grew"),
        ("other bytes", said | {"digest": "beef"}, here, committed, "the digest is beef"),
        ("this machine is silent", said, {}, committed, "on this machine"),
        ("too much memory", said | {"heap_of_one": "16000"}, here, committed | {"heap_of_one": 16000, "ram": 17020}, "one end takes"),
        ("a figure left out", {name: value for name, value in said.items() if name != "sent"}, here, committed, "does not say sent"),
        ("a figure not committed", said, here, {name: value for name, value in committed.items() if name != "sent"}, "other figures"),
        ("nothing measured", said | {"sent": "0"}, here, committed, "sent: nothing"),
    ]
    for name, *arguments, expected in plants:
        found = problems(*arguments)
        good = not found if expected is None else any(expected in problem for problem in found)
        assert good, f"{name}: {found}"
    ends = [dict(code="0", sent=sent, received=received, received_bytes="65536", retransmitted="9", damaged="9") for sent, received in ["ab", "ba"]]
    assert problems_of_talk(*ends) == []
    for fault in [{"code": "1"}, {"received": "c"}, {"received_bytes": "9"}, {"retransmitted": "0"}, {"damaged": "0"}]:
        assert len(problems_of_talk(ends[0] | fault, ends[1])) == len(problems_of_talk(ends[0], ends[1] | fault)) == 1, fault
    page = f"a\n{BEGIN}\nold\n{END}\nb\n"
    assert with_table(with_table(page, committed), committed) == with_table(page, committed) and "old" not in with_table(page, committed)
    assert values("flash 12\n\ntest x ... ok\ndigest 0a\n") == {"flash": "12", "digest": "0a"}
    print(f"cortex_m: self-test passed, {len(plants)} cases")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if sys.argv[1:] not in ([], ["--update"]):
        sys.exit(__doc__)
    build()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        said, here = [values(output.result()) for output in [pool.submit(run_image), pool.submit(run_here)]]
    figures, update = figures_of(said), sys.argv[1:] == ["--update"]
    committed = json.loads(FIGURES.read_text())
    for name, value in figures.items():
        print(f"{name:<17} {value:>12,} {MEANING[name][0]:<12} {growth(value, committed.get(name, 0)):>8}  {MEANING[name][1]}")
    print(f"{said.get('datagrams')} datagrams, SHA-256 {said.get('digest')}")
    # Whoever updates accepts growth, and nothing else.
    found = problems(said, here, figures if update else committed)
    if update and not found:
        FIGURES.write_text(json.dumps(figures, indent=4) + "\n")
        PAGE.write_text(with_table(PAGE.read_text(), figures))
        committed = figures
    if PAGE.read_text() != with_table(PAGE.read_text(), committed):
        found.append("the table of docs/performance.md is not that of the figures: run `just cortex-m-update`")
    device, host = talk()
    for name, end in [("device", device), ("host", host)]:
        print(f"serial line, {name}: {end.get('received_bytes')} bytes arrived, {end.get('damaged')} frames damaged, {end.get('retransmitted')} packets sent again")
    found += problems_of_talk(device, host)
    for problem in found:
        print(f"cortex_m: {problem}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

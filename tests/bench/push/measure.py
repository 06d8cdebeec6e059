#!/usr/bin/env python3
"""What does `capshare push` take of a long transcript, and what does following cost once it is long?

    python3 tests/bench/push/measure.py target/release/capshare [--beside OLD] [--mib 100] [--rounds 3] [--only push,follow] [--export FILE]

`push`: an OpenCode export and a transcript of Claude Code, each of so many MiB, are pushed to a host in another process, which keeps its
shares in memory. Of each round: seconds from the start of the push to its end, its processor time, and its greatest memory; beside it the
processor time that the host took from when it was ready until it has nothing more to do. The best of the rounds counts. With `--beside`,
another build of the program does the same, in turns of which each build begins every other one, and the ratio of the first to it is said; each
build has a host of its own build.

`follow`: a transcript of Claude Code is followed from 1 MiB and from 100 MiB on, and 200 records are appended, ten a second. The processor time
of the pusher and of the host for each record, from the first of them until nothing more is to be done, less what both take in as long a time
in which nothing is appended; and the ratio of the long transcript to the short one.

The memory is the kernel's own record of the most that the program had, read twenty times a second: what it takes in its last twentieth is not
seen. What `wait4` says is not used, because that is at least what this script had when it began the program.

Noise: what else the machine does is in the seconds, and less in the processor time. Compare figures of one run.
"""

import argparse
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import make

TICK = os.sysconf("SC_CLK_TCK")
APPENDED = 200
APPEND_EVERY = 0.1


class Host:
    """A host of a build, with its shares in memory."""

    def __init__(self, program, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.listen = "127.0.0.1:%d" % free.getsockname()[1]
        command = [program, "serve", "--store", "memory:", "--listen", self.listen]
        log = open(pathlib.Path(folder) / "host.log", "w")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(folder))
        self.url = "http://" + self.listen
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url + "/readyz", timeout=1)
                return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("the host ended:\n" + pathlib.Path(log.name).read_text()[-2000:])
                time.sleep(0.05)
        self.__exit__()
        raise SystemExit("the host does not become ready within 30 seconds")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def cpu(process):
    """Seconds of processor time that a process took up to now."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def environment(folder):
    """Secrets of shares are kept in a folder of this run, and nothing that this shell sets for the program counts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAPSHARE_")}
    return {**kept, "XDG_STATE_HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder, "HOME": folder}


class Memory(threading.Thread):
    """Notes the greatest memory of a process, as the kernel counts it from the start of the program on."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.status, self.most, self.is_over = pathlib.Path(f"/proc/{process.pid}/status"), 0, threading.Event()

    def run(self):
        while not self.is_over.wait(0.05):
            self.look()

    def look(self):
        try:
            found = re.search(r"VmHWM:\s+(\d+) kB", self.status.read_text())
        except OSError:
            return
        # One that has ended, and is not waited for yet, has no memory.
        self.most = max(self.most, int(found[1]) * 1024) if found else self.most


def push(program, path):
    """One push to a fresh host."""
    with tempfile.TemporaryDirectory() as folder, Host(program, folder) as host:
        of_start = cpu(host.process)
        command = [program, "push", str(path), "--to", host.url]
        with open(pathlib.Path(folder) / "push.log", "w+") as out:
            begun = time.monotonic()
            process = subprocess.Popen(command, stdout=out, stderr=out, env=environment(folder))
            memory = Memory(process)
            memory.start()
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            memory.is_over.set()
            memory.join()
            out.seek(0)
            said = out.read()
        items = re.search(r"synced (\d+) items", said)
        if process.returncode != 0 or not items:
            raise SystemExit(f"{program} push {path} failed with {process.returncode}:\n{said[-2000:]}")
        settle(host.process)
        return {
            "seconds": seconds,
            "cpu s": used.ru_utime + used.ru_stime,
            "memory MB": memory.most / 1e6,
            "host cpu s": cpu(host.process) - of_start,
            "items": int(items[1]),
        }


def settle(*processes):
    """Waits until processes have taken next to no processor time for three seconds: what they were given is done."""
    before, quiet = [cpu(process) for process in processes], 0
    while quiet < 3:
        time.sleep(1)
        for process in processes:
            if process.poll() is not None:
                raise SystemExit(f"{process.args[:2]} ended with {process.returncode} while it was measured")
        now = [cpu(process) for process in processes]
        quiet = quiet + 1 if all(after - earlier < 0.05 for after, earlier in zip(now, before)) else 0
        before = now


def follow(program, mib):
    """Processor time of the pusher and of the host while a transcript of so many MiB grows."""
    with tempfile.TemporaryDirectory() as folder, Host(program, folder) as host:
        path = pathlib.Path(folder) / "session.jsonl"
        turns = make.claude(path, int(mib * 2**20))
        command = [program, "push", str(path), "--follow", "--to", host.url]
        log = pathlib.Path(folder) / "push.log"
        with open(log, "w") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env=environment(folder))
        try:
            while "of session" not in log.read_text():
                if process.poll() is not None:
                    raise SystemExit(f"{program} push --follow failed with {process.returncode}:\n{log.read_text()[-2000:]}")
                time.sleep(0.1)
            both = {"pusher cpu ms": process, "host cpu ms": host.process}
            settle(*both.values())
            lines = []
            while len(lines) < APPENDED:
                lines += turns.turn()
            before, begun = [cpu(one) for one in both.values()], time.monotonic()
            with open(path, "a") as out:
                for n, line in enumerate(lines[:APPENDED]):
                    out.write(line + "\n")
                    out.flush()
                    time.sleep(max(0, begun + (n + 1) * APPEND_EVERY - time.monotonic()))
            settle(*both.values())
            taken, lasted = [cpu(one) - earlier for one, earlier in zip(both.values(), before)], time.monotonic() - begun
            # Both look about themselves also when nothing comes.
            before = [cpu(one) for one in both.values()]
            time.sleep(lasted)
            idle = [cpu(one) - earlier for one, earlier in zip(both.values(), before)]
        finally:
            process.terminate()
            process.wait()
        return {name: (busy - rest) * 1000 / APPENDED for name, busy, rest in zip(both, taken, idle)}


def push_in_turn(builds, path, number):
    """One push by each build, of which another begins each round."""
    turn = len(builds) - number % len(builds)
    figures = {build: push(build, path) for build in builds[turn:] + builds[:turn]}
    return [figures[build] for build in builds]


def best(rounds):
    return {name: min(one[name] for one in rounds) for name in rounds[0]}


def line(name, figures, beside=None):
    shown = []
    for figure, value in figures.items():
        ratio = f" ({value / beside[figure]:.2f})" if beside and beside[figure] else ""
        shown.append(f"{figure} {value:.4g}{ratio}")
    print(f"{name:24} " + "   ".join(shown), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the build that is asked about")
    parser.add_argument("--beside", help="another build, such as an older one")
    parser.add_argument("--mib", type=float, default=100, help="how long the transcripts are")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="push,follow")
    parser.add_argument("--export", help="an OpenCode export to take in place of one that is made")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if "push" in args.only.split(","):
            files = {"export": args.export or f"{folder}/export.json", "claude": f"{folder}/session.jsonl"}
            if not args.export:
                make.export(files["export"], int(args.mib * 2**20))
            make.claude(files["claude"], int(args.mib * 2**20))
            for name, path in files.items():
                builds = [args.program] + ([args.beside] if args.beside else [])
                rounds = [push_in_turn(builds, path, n) for n in range(args.rounds)]
                figures = [best(of) for of in zip(*rounds)]
                if args.beside:
                    line(f"{name}, beside", figures[1])
                line(f"{name}, {os.path.getsize(path) / 1e6:.0f} MB", figures[0], figures[-1] if args.beside else None)
        if "follow" in args.only.split(","):
            sizes = [1, args.mib]
            rounds = [[follow(args.program, mib) for mib in sizes] for _ in range(args.rounds)]
            short, long = (best(of) for of in zip(*rounds))
            line("follow, 1 MiB", short)
            line(f"follow, {args.mib:g} MiB", long, short)


if __name__ == "__main__":
    main()

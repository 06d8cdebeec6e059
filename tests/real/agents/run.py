#!/usr/bin/env python3
"""Runs coding agents against a scripted model on loopback, and compares what they leave on disk with what our readers expect.

    python3 tests/real/agents/run.py --program target/debug/capshare [--agents claude,codex] [--latest] [--keep FOLDER] [--offline]

For each agent: it is installed at the version of the table (`table.py`), or with `--latest` at its newest, into `--keep` (else
`target/agents`); it is asked something in a home of its own, and asked again in the session that this made; then

- the types of records in its transcript, and the members of each, are compared with those of our recordings in `tests/data/agents`;
- the transcript is pushed to a host, and the share must say what was said: both prompts, both answers, the calls and the exit code 3;
- what `capshare` says that it does not know is shown.

The exit code is 0 if every agent that ran is read as it should be, 1 if one is not, and 2 if one could not be installed or run.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile

import model
import shape
from table import AGAIN, AGENTS, DATA, PROMPT

ROOT = pathlib.Path(__file__).parents[3]
# An agent works for seconds; some wait long for a network that is not there.
WITHIN = 150


class CannotRun(Exception):
    """Why an agent could not be installed or run."""


def run(command, within=WITHIN, **more):
    """Runs a command, and gives what it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=within, stdin=subprocess.DEVNULL, **more)
    except subprocess.TimeoutExpired as late:
        raise CannotRun(f"{command[0]} does not end within {within} s") from late
    except OSError as error:
        raise CannotRun(f"{command[0]} cannot be run: {error}") from error
    if done.returncode != 0:
        raise CannotRun(f"{' '.join(map(str, command[:3]))} ended with {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
    return done.stdout + done.stderr


def npm(folder, *packages):
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "package.json").exists():
        (folder / "package.json").write_text('{"private": true}')
    run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *packages], 900, cwd=folder)


def installed(agent, place, latest, offline):
    """Installs an agent, and gives the folders of its programs."""
    folder = place / agent.name
    paths = [folder / ("node_modules/.bin" if agent.registry == "npm" else "venv/bin")]
    if agent.registry == "npm" and agent.needs:
        paths.append(place / f"node-{agent.needs}" / "node_modules/.bin")
        if not offline:
            npm(paths[-1].parents[1], f"node@{agent.needs}")
    if offline:
        return paths
    version = "" if latest else agent.version
    if agent.registry == "npm":
        npm(folder, f"{agent.package}@{version or 'latest'}")
    else:
        pip(folder, agent, version)
    return paths


def pip(folder, agent, version):
    """Installs a package of Python into an environment of its own."""
    python = shutil.which(f"python{agent.needs}") or next(pathlib.Path.home().glob(f".pyenv/versions/{agent.needs}*/bin/python3"), None)
    if not python:
        raise CannotRun(f"it needs Python {agent.needs}")
    run([str(python), "-m", "venv", str(folder / "venv")], 300)
    tool, wheels = str(folder / "venv/bin/pip"), folder / "wheels"
    wanted = f"{agent.package}=={version}" if version else agent.package
    shutil.rmtree(wheels, ignore_errors=True)
    run([tool, "download", "-q", "--no-deps", "-d", str(wheels), wanted], 300)
    # Some pin a version of certificates that is not there any more; which one it is makes no difference here.
    wheel = next(wheels.glob("*.whl"))
    with zipfile.ZipFile(wheel) as inside:
        about = next(name for name in inside.namelist() if name.endswith(".dist-info/METADATA"))
        needs = [line.split(":", 1)[1].strip() for line in inside.read(about).decode().splitlines() if line.startswith("Requires-Dist:")]
    needs = ["certifi" if one.startswith("certifi==") else one for one in needs if "extra ==" not in one]
    (folder / "needs.txt").write_text("\n".join(needs))
    run([tool, "install", "-q", "-r", str(folder / "needs.txt")], 900)
    run([tool, "install", "-q", "--no-deps", str(wheel)], 300)


def recorded(agent, place, paths):
    """Has an agent make a session, and gives its transcript and what it said."""
    home = place / agent.name / "home"
    shutil.rmtree(home, ignore_errors=True)
    folder = home / "project"
    folder.mkdir(parents=True)
    (folder / "notes.md").write_text("# Notes\n\nA line.\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    url = model.serve(str(folder), home / "requests.jsonl")

    def filled(text):
        for name, value in (("url", url), ("folder", str(folder)), ("home", str(home))):
            text = text.replace("{" + name + "}", value)
        return text

    for name, text in agent.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(filled(text))
    path = ":".join([*map(str, paths), os.environ["PATH"]])
    env = {"HOME": str(home), "PATH": path, "TERM": "dumb", "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1,localhost"}
    env.update({name: filled(value) for name, value in agent.env.items()})
    said = ""
    for command in filter(None, agent.commands()):
        program = next((str(one / command[0]) for one in paths if (one / command[0]).exists()), command[0])
        said += run([program, *map(filled, command[1:])], cwd=folder, env=env)
    found = sorted(home.glob(agent.transcript), key=lambda one: one.stat().st_mtime)
    if not found:
        left = sorted(str(one.relative_to(home)) for one in home.rglob("*.json*") if "node_modules" not in one.parts)
        raise CannotRun(f"it left no {agent.transcript}; it said: {said[-400:]}; it left: {left[:20]}")
    return found[-1]


def compared(agent, transcript):
    """Says what of the transcript's shape our recordings do not have. Gives whether types of records are new."""
    if not agent.recordings:
        return False
    seen = sorted(transcript.glob(agent.inside)) if agent.inside else [transcript]
    known = [path for path in DATA.glob(f"{agent.recordings}/**/*.json*")]
    types, more = shape.news(shape.shape(seen), shape.shape(known))
    for kind in types:
        print(f"    new type of record: {kind}")
    for kind, names in more.items():
        print(f"    new in {kind}: {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}")
    return bool(types)


class Host:
    """A host with its shares in memory."""

    def __init__(self, program, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            listen = "127.0.0.1:%d" % free.getsockname()[1]
        self.url = "http://" + listen
        log = open(folder / "host.log", "w")
        self.process = subprocess.Popen([program, "serve", "--store", "memory:", "--listen", listen], stdout=log, stderr=log)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url + "/readyz", timeout=1)
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"the host does not become ready: see {log.name}")


def pushed(agent, transcript, program, host, home):
    """Pushes a transcript, and says what is wrong with the share."""
    command = [program, "push", str(transcript), "--to", host.url, "--json"]
    if transcript.suffix == ".db":
        command = [program, "push", "--agent", agent.name, "--latest", "--any-folder", "--to", host.url, "--json"]
    env = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home / ".local/share"), "CAPSHARE_TOKEN": ""}
    said = run(command, env=env)
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    shared = next(event for event in events if event.get("event") == "shared")
    synced = next(event for event in events if event.get("event") == "synced")
    text = urllib.request.urlopen(f"{host.url}/share/{shared['id']}.md", timeout=30).read().decode()
    (home / "share.md").write_text(text)
    wanted = [PROMPT, model.WORDS, model.LAST, "notes.md", "ls -a", "echo broken; exit 3", "broken"]
    wanted += [AGAIN, model.AGAIN] if agent.again else []
    wanted += ["exit 3, "] if agent.says_exit else []
    wrong = [f"the share lacks {one!r}" for one in wanted if one not in text]
    wrong += [f"the share says {one!r} {text.count(one)} times" for one in wanted[:3] if text.count(one) > 1 + text.startswith(f"# {one}")]
    wrong += [f"capshare does not know {kind}, {count} times" for kind, count in (synced.get("unknown") or {}).items()]
    wrong += [f"left out as {why}: {count}" for why, count in (synced.get("left_out") or {}).items()]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the capshare to read the transcripts with")
    parser.add_argument("--agents", help="names, with commas between; else all")
    parser.add_argument("--latest", action="store_true", help="the newest versions, not those of the table")
    parser.add_argument("--offline", action="store_true", help="what was installed before")
    parser.add_argument("--keep", default=str(ROOT / "target/agents"), help="where agents and their homes are kept")
    args = parser.parse_args()
    place, program = pathlib.Path(args.keep).absolute(), str(pathlib.Path(args.program).absolute())
    place.mkdir(parents=True, exist_ok=True)
    host, is_wrong, cannot = Host(program, place), False, False
    chosen = args.agents.split(",") if args.agents else [agent.name for agent in AGENTS]
    try:
        for agent in (agent for agent in AGENTS if agent.name in chosen):
            print(f"{agent.name} ({agent.package} {'newest' if args.latest else agent.version})", flush=True)
            try:
                transcript = recorded(agent, place, installed(agent, place, args.latest, args.offline))
                is_wrong |= compared(agent, transcript)
                wrong = pushed(agent, transcript, program, host, place / agent.name / "home")
            except CannotRun as why:
                print(f"    could not be run: {why}")
                cannot = True
                continue
            is_wrong |= bool(wrong)
            for one in wrong:
                print(f"    WRONG: {one}")
            print(f"    {'is read otherwise than it should be' if wrong else 'is read as it should be'}: {transcript}", flush=True)
    finally:
        host.process.kill()
    sys.exit(1 if is_wrong else 2 if cannot else 0)


if __name__ == "__main__":
    main()

"""Long transcripts for `measure.py`: an OpenCode export, and a transcript of Claude Code, of as many bytes as are asked for.

All of it follows from a seed: words from a fixed list, and sizes as sessions have them (most texts are short, a few are very long). The
records of Claude Code are those of a recording, again and again under new ids, with other texts.
"""

import copy
import json
import math
import pathlib
import random
import uuid

RECORDING = pathlib.Path(__file__).parents[2] / "data/agents/claude-code-2.1.332/full.jsonl"
# The records of the first turn, from the prompt to its last answer.
TURN = slice(2, 54)
WORDS = (
    "share viewer producer log segment fold run key token index reads writes of the a when that is not there before after each one"
    " test fails passes because line returns value error file path build command session bucket"
).split()


class Texts:
    """Texts of lognormal sizes."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        # Words are drawn once, and texts are pieces of them: a hundred megabytes are then made in seconds.
        words = (self.random.choice(WORDS) + self.random.choice([" ", " ", " ", " ", "\n"]) for _ in range(200_000))
        self.pool = "".join(words)

    def text(self, median, most, sigma=1.5):
        size = int(min(most, max(10, self.random.lognormvariate(math.log(median), sigma))))
        out = []
        while size > 0:
            at = self.random.randrange(len(self.pool) // 2)
            out.append(self.pool[at : at + min(size, len(self.pool) // 2)])
            size -= len(out[-1])
        return "".join(out)


def export(path, size, seed=1):
    """Writes an OpenCode export of about so many bytes, laid out as OpenCode prints it."""
    texts, messages, written, count = Texts(seed), [], 0, 0
    session = "ses_e04283fefc63V1vrORcmn0iSHk"

    def part(message, kind, **members):
        nonlocal count
        count += 1
        return {"id": f"prt_{count:026d}", "sessionID": session, "messageID": message, "type": kind, **members}

    def message(role, at, parts_of, **members):
        nonlocal written
        name = f"msg_{len(messages):026d}"
        info = {"id": name, "sessionID": session, "role": role, "time": {"created": at}, **members}
        made = {"info": info, "parts": parts_of(name)}
        written += len(json.dumps(made, indent=2))
        messages.append(made)
        return name

    at = 1_795_000_000_000
    while written < size:
        at += 60_000
        asked = message("user", at, lambda name: [part(name, "text", text=texts.text(100, 60_000))])
        for _ in range(texts.random.randint(3, 14)):
            at += 5_000
            message("assistant", at, lambda name: step(part, name, texts, at), parentID=asked, modelID="m", providerID="p", cost=0.01)
    info = {"id": session, "title": "A long session", "version": "1.18.33", "time": {"created": at, "updated": at}}
    with open(path, "w") as out:
        json.dump({"info": info, "messages": messages}, out, indent=2)


def step(part, name, texts, at):
    """The parts of an answer: a thought, one to three calls with their results, sometimes words."""
    parts = [part(name, "step-start"), part(name, "reasoning", text=texts.text(2500, 80_000), time={"start": at, "end": at})]
    for _ in range(texts.random.choice([1, 1, 1, 2, 3])):
        state = {
            "status": "completed",
            "input": {"command": texts.text(40, 400), "description": "Run the tests"},
            "output": texts.text(2500, 200_000, 1.8),
            "title": "Run the tests",
            "metadata": {"exit": 0},
            "time": {"start": at, "end": at + 900},
        }
        parts.append(part(name, "tool", tool="bash", callID=f"call_{name}_{len(parts)}", state=state))
    if texts.random.random() < 0.4:
        parts.append(part(name, "text", text="## Step\n\n" + texts.text(500, 20_000)))
    parts.append(part(name, "step-finish", reason="tool-calls", cost=0.01, tokens={"input": 9000, "output": 300}))
    return parts


class Claude:
    """Turns of a session of Claude Code, one after the other."""

    def __init__(self, seed=1):
        lines = RECORDING.read_text().splitlines()[TURN]
        self.records = [json.loads(line) for line in lines]
        self.texts, self.last, self.session = Texts(seed), None, str(uuid.UUID(int=seed))

    def turn(self):
        """The lines of the next turn."""
        names, lines = {}, []

        def renamed(value, key=None):
            """The value under ids that no other turn has."""
            if isinstance(value, dict):
                return {key: renamed(value, key) for key, value in value.items()}
            if isinstance(value, list):
                return [renamed(value, key) for value in value]
            if key == "sessionId":
                return self.session
            if key in ("uuid", "parentUuid", "sourceToolAssistantUUID", "promptId") and value:
                return names.setdefault(value, str(uuid.UUID(int=self.texts.random.getrandbits(128))))
            if key in ("id", "tool_use_id", "requestId", "agentId") and isinstance(value, str):
                return names.setdefault(value, f"{value[:6]}{self.texts.random.getrandbits(96):024x}")
            return value

        for record in self.records:
            record = renamed(copy.deepcopy(record))
            if "parentUuid" in record:
                record["parentUuid"] = record["parentUuid"] or self.last
                self.last = record["uuid"]
            content = record.get("message", {}).get("content")
            for block in content if isinstance(content, list) else []:
                self.fill(block, record)
            if isinstance(content, str):
                record["message"]["content"] = self.texts.text(100, 60_000)
            lines.append(json.dumps(record, separators=(",", ":"), ensure_ascii=False))
        return lines

    def fill(self, block, record):
        """Other texts, of the sizes that they have in long sessions."""
        kind = block.get("type")
        if kind == "text":
            block["text"] = self.texts.text(500, 20_000)
        elif kind == "thinking":
            block["thinking"] = self.texts.text(2500, 80_000)
        elif kind == "tool_result" and isinstance(block.get("content"), str):
            # The program says a result twice.
            said = self.texts.text(2500, 200_000, 1.8)
            block["content"] = said
            if isinstance(record.get("toolUseResult"), dict) and "stdout" in record["toolUseResult"]:
                record["toolUseResult"]["stdout"] = said


def claude(path, size, seed=1):
    """Writes a transcript of Claude Code of at least so many bytes, and gives what makes the turns after it."""
    turns, written = Claude(seed), 0
    with open(path, "w") as out:
        while written < size:
            for line in turns.turn():
                written += out.write(line + "\n")
    return turns

"""The shape of a transcript: the types of its records, and the members of each, without what they say."""

import json
import re

# Members whose insides are a tool's or a user's, and no part of the format.
OPAQUE = {"input", "arguments", "args", "parameters", "schema", "params", "env", "tools", "properties", "command", "todos", "metadata"}
# Names that are ids or paths, and not members.
NAME = re.compile(r"^[A-Za-z_$][A-Za-z0-9_$-]{0,40}$")
IDS = re.compile(r"[0-9a-f]{8}|[0-9].*[0-9].*[0-9]")
# What says of which type a record is, beside its `type`.
KINDS = ("subtype", "role", "kind")
INSIDES = ("payload", "message", "event", "attachment", "item", "data", "entry")


def kind(record):
    """The type of a record: its own, and that of what it wraps."""
    if not isinstance(record, dict):
        return type(record).__name__
    own = [str(record[name]) for name in ("type", *KINDS) if isinstance(record.get(name), str)]
    for name in INSIDES:
        inside = record.get(name)
        if isinstance(inside, dict) and any(isinstance(inside.get(key), str) for key in ("type", *KINDS)):
            own.append(kind(inside))
            break
    return "/".join(own) or "+".join(sorted(record)[:4])


def members(value, path=""):
    """The paths of all members of a value."""
    if isinstance(value, list):
        for one in value:
            yield from members(one, path + "[]")
    elif isinstance(value, dict):
        if path.endswith("[]") and isinstance(value.get("type"), str):
            path += f"<{value['type']}>"
        for name, inside in value.items():
            shown = name if NAME.match(name) and not IDS.search(name) else "*"
            here = f"{path}.{shown}" if path else shown
            yield here
            if name not in OPAQUE and here.count(".") < 8:
                yield from members(inside, here)


def records(path):
    """The records of a file, each with its type: its lines, or the document that it is."""
    text = path.read_text(errors="replace")
    try:
        document = json.loads(text)
        # Of documents whose names are numbers or hashes the folder tells more.
        name = path.parent.name if IDS.search(path.stem) else path.name
        return [(name if len(text.splitlines()) > 1 or "type" not in document else kind(document), document)]
    except ValueError:
        pass
    found = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
            found.append((kind(record), record))
        except ValueError:
            continue
    return found


def shape(paths):
    """The members of each type of record in some files."""
    found = {}
    for path in paths:
        for name, record in records(path):
            found.setdefault(name, set()).update(members(record))
    return found


def news(seen, known):
    """What was seen and is not known: types of records, and members of known ones."""
    types = sorted(set(seen) - set(known))
    more = {kind: sorted(seen[kind] - known[kind]) for kind in sorted(set(seen) & set(known))}
    return types, {kind: names for kind, names in more.items() if names}

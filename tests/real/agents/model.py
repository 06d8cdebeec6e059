"""A scripted model on loopback that coding agents take for the real one.

It speaks the four streaming interfaces that agents use: chat completions and responses (OpenAI), messages (Anthropic), and
streamGenerateContent (Gemini). What it says depends on one thing: how many results of calls stand in the request.

    no result       a thought, words, and two calls at once: a file is read, a command is run
    two results     a command that ends with exit code 3
    three or more   words, and the end

A request in which "[again]" stands is answered by words alone, and one that offers no tools by a short title. The names of tools and the shapes of
their arguments are those that the request offers, so that one script fits every agent.
"""

import http.server
import json
import threading
import time

# Tools of agents that run a command, or read a file, by their names without case and underscores.
SHELL = ["bash", "execcommand", "runshellcommand", "shell", "shellcommand", "executecommand", "runcommands", "runterminalcommand"]
READ = ["read", "readfile", "readfiles", "view", "viewfile"]
THOUGHT = "The notes have to be read first."
WORDS = "I read the notes and look at the folder."
LAST = "All of it is done: the notes were read, and the command failed."
AGAIN = "And it is done once more."
TITLE = "Notes and a command"


class Call:
    """A call of a tool that the model asks for."""

    def __init__(self, number, name, arguments):
        self.id, self.name, self.arguments = f"call_{number:05d}", name, arguments


class Tool:
    """A tool that a request offers."""

    def __init__(self, name, schema):
        self.name, self.schema = name, schema if isinstance(schema, dict) else {}
        self.plain = name.replace("_", "").replace("-", "").lower()

    def arguments(self, wanted, names):
        """Arguments in which the first member of one of these names is what is wanted, and the others that are needed are filled in."""
        members = self.schema.get("properties") or {name: {"type": "string"} for name in names[:1]}
        given = {}
        for name, about in members.items():
            kind = about.get("type")
            kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
            if name in names and wanted is not None:
                given[name], wanted = self.as_kind(wanted, kind, about), None
            elif name in self.schema.get("required", []):
                given[name] = {"boolean": False, "integer": 1, "number": 1, "array": [], "object": {}}.get(str(kind).lower(), "as the notes say")
        return given

    @staticmethod
    def as_kind(wanted, kind, about):
        if str(kind).lower() != "array":
            return wanted
        inside = about.get("items") or {}
        if inside.get("type") == "object":
            first = next(iter(inside.get("properties") or {"path": {}}))
            return [{first: wanted}]
        return [wanted]


def plan(tools, results, is_again, folder):
    """What is said: a thought, words, and calls."""
    find = lambda names: next((tool for name in names for tool in tools if tool.plain == name), None)
    shell, read = find(SHELL), find(READ)
    run = lambda number, command: Call(number, shell.name, shell.arguments(command, ["command", "cmd", "commands", "script"]))
    if not tools:
        return "", TITLE, []
    if is_again:
        return THOUGHT, AGAIN, []
    if results == 0 and shell:
        calls = [run(2, "ls -a")]
        if read:
            names = ["file_path", "filePath", "absolute_path", "path", "filepath", "files", "paths", "target_file"]
            calls.insert(0, Call(1, read.name, read.arguments(f"{folder}/notes.md", names)))
        else:
            calls.insert(0, run(1, "cat notes.md"))
        return THOUGHT, WORDS, calls
    if results == 2 and shell:
        return "", "", [run(3, "echo broken; exit 3")]
    return "", LAST, []


class Model(http.server.BaseHTTPRequestHandler):
    """One request: it is read in the terms of its interface, and answered in them."""

    protocol_version = "HTTP/1.1"
    folder = "."
    log = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.note("GET", None)
        models = [{"id": "scripted", "object": "model", "name": "scripted", "displayName": "scripted", "created": 0, "owned_by": "nobody"}]
        self.json({"object": "list", "data": models, "models": models, "has_more": False})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            request = {}
        self.note("POST", request)
        path = self.path.split("?")[0].rstrip("/")
        if path.endswith("/chat/completions"):
            self.chat(request)
        elif path.endswith("/responses"):
            self.respond(request)
        elif path.endswith("/messages"):
            self.messages(request)
        elif path.endswith(":streamGenerateContent") or path.endswith(":generateContent"):
            self.gemini(request, path.endswith(":streamGenerateContent"))
        elif "ount" in path and "oken" in path:
            self.json({"totalTokens": 100, "input_tokens": 100})
        else:
            self.json({"error": {"message": "no such thing", "type": "not_found"}}, 404)

    def said(self, request, tools, results):
        return plan(tools, results, "[again]" in json.dumps(request), self.folder)

    def note(self, method, request):
        if self.log:
            with open(self.log, "a") as out:
                out.write(json.dumps({"method": method, "path": self.path, "request": request}) + "\n")

    def json(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, events, names=False):
        """Sends events; with their names where the interface has them."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in events:
            text = event if isinstance(event, str) else json.dumps(event)
            name = f"event: {event['type']}\n" if names else ""
            self.wfile.write(f"{name}data: {text}\n\n".encode())
            self.wfile.flush()

    # Chat completions.

    def chat(self, request):
        tools = [Tool(tool["function"]["name"], tool["function"].get("parameters")) for tool in request.get("tools") or [] if "function" in tool]
        results = sum(message.get("role") == "tool" for message in request.get("messages", []))
        thought, words, calls = self.said(request, tools, results)
        usage = {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020}
        head = {"id": f"chatcmpl-{time.time_ns()}", "created": int(time.time()), "model": request.get("model", "scripted")}
        made = [
            {"index": n, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
            for n, call in enumerate(calls)
        ]
        finish = "tool_calls" if calls else "stop"
        if not request.get("stream"):
            message = {"role": "assistant", "content": words, **({"tool_calls": made} if made else {})}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return self.json({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": thought}] if thought else []
        deltas += [{"content": piece + " "} for piece in words.split()]
        deltas += [{"tool_calls": [call]} for call in made]
        chunk = lambda delta, finish=None: {
            **head,
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        last = {**chunk({}, finish), "usage": usage}
        return self.stream([chunk(delta) for delta in deltas] + [last, "[DONE]"])

    # Responses.

    def respond(self, request):
        # Some tools come in groups.
        offered = [inner for tool in request.get("tools") or [] for inner in (tool.get("tools") or [tool])]
        tools = [Tool(tool["name"], tool.get("parameters")) for tool in offered if tool.get("type", "function") == "function" and "name" in tool]
        given = request.get("input") if isinstance(request.get("input"), list) else []
        results = sum(item.get("type", "").endswith("_call_output") for item in given)
        thought, words, calls = self.said(request, tools, results)
        # Agents tell items apart by these.
        stamp = f"{time.time_ns() // 1000:x}"
        items = []
        if thought:
            items.append({"type": "reasoning", "id": f"rs_{stamp}", "summary": [{"type": "summary_text", "text": thought}]})
        if words:
            content = [{"type": "output_text", "text": words, "annotations": []}]
            items.append({"type": "message", "id": f"msg_{stamp}", "role": "assistant", "status": "completed", "content": content})
        for call in calls:
            made = {"type": "function_call", "id": f"fc_{stamp}{call.id}", "call_id": call.id, "name": call.name, "arguments": json.dumps(call.arguments)}
            items.append({**made, "status": "completed"})
        usage = {
            "input_tokens": 1000,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 1020,
        }
        whole = {"id": f"resp_{stamp}", "object": "response", "created_at": int(time.time()), "model": request.get("model"), "status": "completed"}
        whole = {**whole, "output": items, "usage": usage}
        if not request.get("stream"):
            return self.json(whole)
        events = [{"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}]
        for n, item in enumerate(items):
            events.append({"type": "response.output_item.added", "output_index": n, "item": item})
            if item["type"] == "message":
                events.append({"type": "response.output_text.delta", "output_index": n, "content_index": 0, "item_id": item["id"], "delta": words})
            events.append({"type": "response.output_item.done", "output_index": n, "item": item})
        events.append({"type": "response.completed", "response": whole})
        for n, event in enumerate(events):
            event["sequence_number"] = n
        return self.stream(events, names=True)

    # Messages.

    def messages(self, request):
        tools = [Tool(tool["name"], tool.get("input_schema")) for tool in request.get("tools") or [] if "name" in tool]
        contents = [message["content"] for message in request.get("messages", []) if isinstance(message.get("content"), list)]
        results = sum(block.get("type") == "tool_result" for content in contents for block in content)
        thought, words, calls = self.said(request, tools, results)
        stamp = f"{time.time_ns() // 1000:x}"
        blocks = [{"type": "thinking", "thinking": thought, "signature": "c2lnbmVk"}] if thought else []
        blocks += [{"type": "text", "text": words}] if words else []
        blocks += [{"type": "tool_use", "id": f"toolu_{stamp}{call.id}", "name": call.name, "input": call.arguments} for call in calls]
        usage = {"input_tokens": 1000, "output_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        whole = {"id": f"msg_{stamp}", "type": "message", "role": "assistant", "model": request.get("model"), "content": blocks}
        whole = {**whole, "stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None, "usage": usage}
        if not request.get("stream"):
            return self.json(whole)
        events = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}]
        for n, block in enumerate(blocks):
            events += [{**event, "index": n} for event in self.block(block)]
        events.append({"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None}, "usage": usage})
        return self.stream(events + [{"type": "message_stop"}], names=True)

    @staticmethod
    def block(block):
        """The events of one block."""
        begin, deltas = {
            "thinking": lambda: (
                {"type": "thinking", "thinking": "", "signature": ""},
                [{"type": "thinking_delta", "thinking": block["thinking"]}, {"type": "signature_delta", "signature": block["signature"]}],
            ),
            "text": lambda: ({"type": "text", "text": ""}, [{"type": "text_delta", "text": block["text"]}]),
            "tool_use": lambda: (
                {**block, "input": {}},
                [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}],
            ),
        }[block["type"]]()
        yield {"type": "content_block_start", "content_block": begin}
        yield from ({"type": "content_block_delta", "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop"}

    # Gemini.

    def gemini(self, request, is_stream):
        declared = [one for group in request.get("tools") or [] for one in group.get("functionDeclarations", [])]
        tools = [Tool(one["name"], one.get("parametersJsonSchema") or one.get("parameters")) for one in declared]
        parts = [part for content in request.get("contents", []) for part in content.get("parts", [])]
        thought, words, calls = self.said(request, tools, sum("functionResponse" in part for part in parts))
        if "responseJsonSchema" in request.get("generationConfig", {}) or "responseSchema" in request.get("generationConfig", {}):
            # What chooses the model, and the like: no part of the conversation.
            words = json.dumps({"reasoning": "short", "model_choice": "flash", "complexity_reasoning": "short", "complexity_score": 1})
        said = [{"text": thought, "thought": True}] if thought else []
        said += [{"text": words}] if words else []
        said += [{"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}} for call in calls]
        usage = {"promptTokenCount": 1000, "candidatesTokenCount": 20, "totalTokenCount": 1020, "thoughtsTokenCount": 5}
        answer = {"candidates": [{"content": {"role": "model", "parts": said}, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}
        answer = {**answer, "modelVersion": "scripted", "responseId": f"r{time.time_ns()}"}
        return self.stream([answer]) if is_stream else self.json(answer)


def serve(folder, log=None):
    """Serves on a free port of loopback, in a thread, until the process ends; gives the URL."""
    handler = type("Handler", (Model,), {"folder": folder, "log": log})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"

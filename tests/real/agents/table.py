"""The agents, each as it is installed, told where the model is, and run; and where it leaves its transcript.

In commands and files `{url}` is the model's address, `{folder}` the project's folder, `{prompt}` what is asked, and `{home}` the home.
"""

import dataclasses
import json
import pathlib

PROMPT = "Please read the notes and look at the folder"
AGAIN = "[again] And once more please"


@dataclasses.dataclass
class Agent:
    """An agent. Its name is that of `capshare push --agent`."""

    name: str
    # The package in its registry, and the version that was recorded last.
    package: str
    version: str
    # What is run: the first command asks, the second goes on with the session.
    ask: list
    again: list
    # Where the transcript is, below the home. Of several the newest is taken.
    transcript: str
    # The folders of recordings in `tests/data/agents` that show what the reader knows.
    recordings: str
    env: dict = dataclasses.field(default_factory=dict)
    # Files that are written into the home before.
    files: dict = dataclasses.field(default_factory=dict)
    # Run before the first command.
    before: list = dataclasses.field(default_factory=list)
    registry: str = "npm"
    # The major version of Node, or the version of Python, that it needs where the machine's is older.
    needs: str = ""
    # Whether its files say the exit code of a command.
    says_exit: bool = True
    # What of a transcript that is a folder is looked at for its shape.
    inside: str = ""

    def commands(self):
        """What is run, one after the other."""
        return ([self.before] if self.before else []) + [self.ask, self.again]


def openai(members):
    return json.dumps(members, indent=2)


AGENTS = [
    Agent(
        name="claude",
        package="@anthropic-ai/claude-code",
        version="2.1.332",
        ask=["claude", "-p", PROMPT, "--dangerously-skip-permissions"],
        again=["claude", "-p", AGAIN, "--continue", "--dangerously-skip-permissions"],
        env={
            "ANTHROPIC_BASE_URL": "{url}",
            "ANTHROPIC_API_KEY": "sk-none",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            # It refuses to go without permissions for the superuser, elsewhere than in a sandbox.
            "IS_SANDBOX": "1",
        },
        transcript=".claude/projects/*/*.jsonl",
        recordings="claude-code-*",
    ),
    Agent(
        name="codex",
        package="@openai/codex",
        version="0.171.0",
        ask=["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", PROMPT],
        again=["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "resume", "--last", AGAIN],
        env={"SCRIPTED_KEY": "none"},
        files={
            ".codex/config.toml": 'model = "gpt-5-codex"\nmodel_provider = "scripted"\n[model_providers.scripted]\nname = "scripted"\n'
            'base_url = "{url}/v1"\nenv_key = "SCRIPTED_KEY"\nwire_api = "responses"\n',
        },
        transcript=".codex/sessions/*/*/*/rollout-*.jsonl",
        recordings="codex-*",
    ),
    Agent(
        name="gemini",
        package="@google/gemini-cli",
        version="0.61.0",
        ask=["gemini", "-p", PROMPT, "--approval-mode", "yolo"],
        again=["gemini", "--resume", "latest", "-p", AGAIN, "--approval-mode", "yolo"],
        env={"GOOGLE_GEMINI_BASE_URL": "{url}", "GEMINI_API_KEY": "none", "GEMINI_CLI_TRUST_WORKSPACE": "true"},
        files={
            ".gemini/settings.json": openai(
                {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}, "general": {"disableAutoUpdate": True}}
            )
        },
        transcript=".gemini/tmp/*/chats/session-*.jsonl",
        recordings="gemini-cli-*",
    ),
    Agent(
        name="qwen",
        package="@qwen-code/qwen-code",
        version="0.24.4",
        ask=["qwen", "-p", PROMPT, "--approval-mode", "yolo"],
        again=["qwen", "--continue", "-p", AGAIN, "--approval-mode", "yolo"],
        env={"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "none", "OPENAI_MODEL": "scripted"},
        files={".qwen/settings.json": openai({"security": {"auth": {"selectedType": "openai"}}, "privacy": {"usageStatisticsEnabled": False}})},
        transcript=".qwen/projects/*/chats/*.jsonl",
        recordings="qwen-code-*",
        needs="22",
    ),
    Agent(
        name="opencode",
        package="opencode-ai",
        version="1.18.33",
        ask=["opencode", "run", PROMPT],
        again=["opencode", "run", "--continue", AGAIN],
        env={"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"},
        files={
            ".config/opencode/opencode.json": openai(
                {
                    "autoupdate": False,
                    "share": "disabled",
                    "permission": "allow",
                    "model": "scripted/scripted",
                    "small_model": "scripted/scripted",
                    "provider": {
                        "scripted": {
                            "npm": "@ai-sdk/openai-compatible",
                            "options": {"baseURL": "{url}/v1", "apiKey": "none"},
                            "models": {"scripted": {"tool_call": True, "reasoning": True}},
                        }
                    },
                }
            )
        },
        transcript=".local/share/opencode/opencode.db",
        recordings="",
    ),
    Agent(
        name="pi",
        package="@earendil-works/pi-coding-agent",
        version="1.6.0",
        ask=["pi", "-p", "--provider", "scripted", "--model", "scripted", PROMPT],
        again=["pi", "-p", "--continue", "--provider", "scripted", "--model", "scripted", AGAIN],
        env={"PI_OFFLINE": "1"},
        files={
            ".pi/agent/models.json": openai(
                {
                    "providers": {
                        "scripted": {
                            "baseUrl": "{url}/v1",
                            "api": "openai-completions",
                            "apiKey": "none",
                            "models": [{"id": "scripted", "reasoning": True}],
                        }
                    }
                }
            )
        },
        transcript=".pi/agent/sessions/*/*.jsonl",
        recordings="pi-*",
        needs="22",
    ),
    Agent(
        name="copilot",
        package="@github/copilot",
        version="1.0.102",
        ask=["copilot", "-p", PROMPT, "--allow-all-tools"],
        again=["copilot", "--continue", "-p", AGAIN, "--allow-all-tools"],
        env={"COPILOT_PROVIDER_BASE_URL": "{url}/v1", "COPILOT_PROVIDER_API_KEY": "none", "COPILOT_MODEL": "scripted", "COPILOT_AUTO_UPDATE": "false"},
        transcript=".copilot/session-state/*/events.jsonl",
        recordings="copilot-cli-*",
        needs="22",
    ),
    Agent(
        name="kimi-code",
        package="@moonshot-ai/kimi-code",
        version="2.1.0",
        ask=["kimi", "-p", PROMPT],
        again=["kimi", "-c", "-p", AGAIN],
        env={
            "KIMI_MODEL_BASE_URL": "{url}/v1",
            "KIMI_MODEL_API_KEY": "none",
            "KIMI_MODEL_NAME": "scripted",
            "KIMI_MODEL_PROVIDER_TYPE": "openai",
            "KIMI_MODEL_MAX_CONTEXT_SIZE": "200000",
            "KIMI_CODE_NO_AUTO_UPDATE": "1",
        },
        transcript=".kimi-code/sessions/*/*/agents/main/wire.jsonl",
        recordings="kimi-code-*",
        needs="22",
    ),
    Agent(
        name="kimi-cli",
        package="kimi-cli",
        version="1.51.0",
        registry="pypi",
        # With the first releases of 3.12 it fails when it starts.
        needs="3.13",
        ask=["kimi", "--print", "-p", PROMPT],
        again=["kimi", "--print", "--continue", "-p", AGAIN],
        env={"KIMI_BASE_URL": "{url}/v1", "KIMI_API_KEY": "none", "KIMI_MODEL_NAME": "scripted"},
        files={
            ".kimi/config.toml": 'default_model = "scripted"\n[models.scripted]\nprovider = "scripted"\nmodel = "scripted"\nmax_context_size = 200000\n'
            '[providers.scripted]\ntype = "openai_legacy"\nbase_url = "{url}/v1"\napi_key = "none"\n',
        },
        transcript=".kimi/sessions/*/*/wire.jsonl",
        recordings="kimi-cli-*",
    ),
    Agent(
        name="vibe",
        package="mistral-vibe",
        version="3.0.3",
        registry="pypi",
        needs="3.12",
        ask=["vibe", "--auto-approve", "-p", PROMPT],
        again=["vibe", "--auto-approve", "--continue", "-p", AGAIN],
        env={"SCRIPTED_KEY": "none", "MISTRAL_API_KEY": "none"},
        files={
            ".vibe/config.toml": 'active_model = "scripted"\nenable_update_checks = false\nenable_telemetry = false\n[[providers]]\nname = "scripted"\n'
            'api_base = "{url}/v1"\napi_key_env_var = "SCRIPTED_KEY"\nbackend = "generic"\n[[models]]\nname = "scripted"\nprovider = "scripted"\n'
            'alias = "scripted"\n',
        },
        transcript=".vibe/logs/session/unified/*",
        inside="**/*.json*",
        recordings="mistral-vibe-*",
    ),
    Agent(
        name="cline",
        package="cline",
        version="3.0.65",
        before=["cline", "auth", "-p", "openai", "-k", "none", "-m", "scripted", "-b", "{url}/v1"],
        ask=["cline", PROMPT],
        again=[],
        transcript=".cline/data/sessions/*/*[0-9a-z].messages.json",
        recordings="cline-*",
        needs="22",
    ),
    Agent(
        name="continue",
        package="@continuedev/cli",
        version="1.5.47",
        ask=["cn", "--config", "{home}/config.yaml", "--auto", "-p", PROMPT],
        again=["cn", "--config", "{home}/config.yaml", "--auto", "--resume", "-p", AGAIN],
        env={"CONTINUE_TELEMETRY_ENABLED": "0"},
        files={
            "config.yaml": "name: scripted\nversion: 1.0.0\nschema: v1\nmodels:\n  - name: scripted\n    provider: openai\n    model: scripted\n"
            "    apiKey: none\n    apiBase: {url}/v1\n    roles: [chat]\n    capabilities: [tool_use]\n",
        },
        transcript=".continue/sessions/*-*.json",
        says_exit=False,
        recordings="continue-*",
        needs="22",
    ),
]

DATA = pathlib.Path(__file__).parents[2] / "data/agents"

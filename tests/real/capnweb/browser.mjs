// The scene in a headless Chromium, on a page of the host's own origin: node browser.mjs URL TOKEN
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const [url, token] = process.argv.slice(2);
const origin = url.replace(/^ws/, "http").replace(/\/rpc\/share\/web$/, "");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  const modules = { "/capnweb.js": "node_modules/capnweb/dist/index.js", "/scene.js": "scene.mjs" };
  for (const [path, file] of Object.entries(modules)) {
    const body = await readFile(new URL(file, import.meta.url), "utf8");
    await page.route(origin + path, (route) => route.fulfill({ contentType: "text/javascript", body }));
  }
  await page.goto(`${origin}/healthz`);
  await page.evaluate(
    async ({ url, token }) => {
      const [capnweb, { scene }] = await Promise.all([import("/capnweb.js"), import("/scene.js")]);
      await scene({ capnweb, url, token, session: "ses_browser", hasMembers: true });
    },
    { url, token },
  );
} finally {
  await browser.close();
}

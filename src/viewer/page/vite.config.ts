// Builds two things into dist/, in two passes: client.js, the module that pages and scripts import (types.mjs makes its
// client.d.ts); and assets/app-HASH.js with its style sheet, the page itself, which imports that same client.js.
//
// What comes out depends on the sources and package-lock.json alone: a test builds it again and compares.
import { defineConfig } from "vite"

export default defineConfig(({ mode }) => ({
  // favicon.svg goes along as it is.
  publicDir: mode === "client" && "public",
  build: {
    outDir: "dist",
    emptyOutDir: mode === "client",
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
    // Everything is a file of its own: the page's policy lets no data: style or script through.
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: mode === "client" ? { client: "client/client.ts" } : { app: "app/main.tsx" },
      external: ["/client.js"],
      // What the page loads later imports from the page itself, which needs no third file for what both have.
      preserveEntrySignatures: mode === "client" ? "strict" : "allow-extension",
      output: {
        entryFileNames: mode === "client" ? "client.js" : "assets/[name]-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/app-[hash][extname]",
      },
    },
  },
}))

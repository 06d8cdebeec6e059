/** Light or dark: as the system says, unless the reader said otherwise. */
export type Theme = "light" | "dark"

const NAME = "capshare/theme"

export function theme(): Theme {
  const said = document.documentElement.dataset["theme"]
  if (said === "light" || said === "dark") return said
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"
}

/** Brings back what the reader chose before. */
export function restoreTheme(): void {
  try {
    const said = localStorage.getItem(NAME)
    if (said === "light" || said === "dark") document.documentElement.dataset["theme"] = said
  } catch {
    // Without storage the system's choice holds.
  }
}

export function toggleTheme(): Theme {
  const next = theme() === "dark" ? "light" : "dark"
  document.documentElement.dataset["theme"] = next
  try {
    localStorage.setItem(NAME, next)
  } catch {
    // It holds until the page is left.
  }
  return next
}

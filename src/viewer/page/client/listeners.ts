import { OutOfStep } from "./frames"

type Listener = (payload: never) => void

/** Who listens to a channel, by the names of its events. */
export class Listeners {
  readonly #byEvent = new Map<string, Set<Listener>>()

  on(event: string, fn: Listener): () => void {
    const listeners = this.#byEvent.get(event) ?? new Set()
    this.#byEvent.set(event, listeners.add(fn))
    return () => void listeners.delete(fn)
  }

  /** Tells those of an event; whether none of them is out of step. */
  tell(event: string, payload: unknown): boolean {
    let inStep = true
    for (const fn of [...(this.#byEvent.get(event) ?? [])]) {
      try {
        fn(payload as never)
      } catch (error) {
        if (error instanceof OutOfStep) {
          inStep = false
          continue
        }
        // One listener's mistake is not another's.
        const report = globalThis.reportError as ((error: unknown) => void) | undefined
        if (report) report(error)
        else queueMicrotask(() => Promise.reject(error))
      }
    }
    return inStep
  }

  clear(): void {
    this.#byEvent.clear()
  }
}

import type { Live } from "./live"
import { cameBy, placeOf, type Recording } from "./replay"
import { recording } from "./share"

/** How often a second the page is drawn anew while it plays. */
const FRAMES = 20

/** Plays a share's recording: stands at its end ("now") until it is moved, and follows what comes there. */
export class Player {
  /** The place that is shown, in ms; undefined is now. */
  at: number | undefined
  playing = false
  speed = 4
  #timer: ReturnType<typeof setInterval> | undefined
  #made: { version: number; recording: Recording } | undefined

  constructor(
    private readonly live: Live,
    private readonly changed: () => void,
  ) {}

  recording(): Recording {
    const { version, replica } = this.live
    if (this.#made?.version !== version) this.#made = { version, recording: recording(replica) }
    return this.#made.recording
  }

  /** The revision at the place that is shown. */
  revision(): number {
    if (this.at === undefined) return this.live.replica.revision
    const { moments } = this.recording()
    return moments[cameBy(this.recording(), this.at) - 1]?.item.first ?? 0
  }

  seek(at: number): void {
    this.at = at
    this.changed()
  }

  /** Goes to where the share stood at a revision. */
  toRevision(revision: number): void {
    this.pause()
    this.seek(placeOf(this.recording(), revision))
  }

  toggle(): void {
    if (this.playing) {
      this.pause()
    } else {
      if (this.at === undefined || this.at >= this.recording().length) this.at = 0
      this.playing = true
      let before = performance.now()
      this.#timer = setInterval(() => {
        const now = performance.now()
        const at = (this.at ?? 0) + (now - before) * this.speed
        before = now
        if (at >= this.recording().length) this.now()
        else this.seek(at)
      }, 1_000 / FRAMES)
    }
    this.changed()
  }

  pause(): void {
    clearInterval(this.#timer)
    this.playing = false
    this.changed()
  }

  setSpeed(speed: number): void {
    this.speed = speed
    this.changed()
  }

  now(): void {
    this.at = undefined
    this.pause()
  }
}

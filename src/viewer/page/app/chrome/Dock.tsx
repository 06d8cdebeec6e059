import type { JSX } from "preact"
import { clock } from "../model/format"
import { MARK_PLACES, type Marks } from "../model/marks"
import type { Player } from "../model/player"
import { Icon } from "../parts/icons"

const SPEEDS = [1, 2, 4, 8, 16, 32]

/** The slider at the bottom: where in its recording the session is shown, and the way through it. */
export function Dock({ player, revision, marks }: { player: Player; revision: number; marks: Marks }): JSX.Element {
  const { playing, at, speed } = player
  const { length } = player.recording()
  const shown = at ?? length
  const speaks = `${clock(shown)} of ${clock(length)}, revision ${revision}`
  return (
    <div class={`dock ${at === undefined ? "" : "dock-replay"}`} role="region" aria-label="Replay">
      <button type="button" class="play" aria-label={playing ? "Pause" : at === undefined ? "Replay from the beginning" : "Play"} onClick={() => player.toggle()}>
        <Icon name={playing ? "pause" : "play"} />
      </button>
      <span class="dock-track">
        <svg class="dock-marks" viewBox={`0 0 ${MARK_PLACES} 10`} preserveAspectRatio="none" aria-hidden="true">
          {(["edits", "prompts", "failures", "hits"] as const).map(kind => <path key={kind} class={`mark-${kind}`} d={marks[kind].map(at => `M${at} 0v10`).join("")} />)}
        </svg>
        <input
          type="range"
          aria-label="Place in the recording"
          aria-valuetext={speaks}
          min={0}
          max={Math.max(1, length)}
          step={Math.max(1, Math.round(length / 2_000))}
          value={shown}
          ref={input => input?.style.setProperty("--at", String(length > 0 ? shown / length : 1))}
          onInput={event => player.seek(Number(event.currentTarget.value))}
        />
      </span>
      <span class="dock-place">{clock(shown)}<span class="quiet"> / {clock(length)}</span></span>
      <label class="speed">
        <span class="hidden">Speed</span>
        <select value={speed} onChange={event => player.setSpeed(Number(event.currentTarget.value))}>
          {SPEEDS.map(one => <option key={one} value={one}>{one}×</option>)}
        </select>
      </label>
      <button type="button" class="plain to-now" disabled={at === undefined} onClick={() => player.now()}>
        {at === undefined ? "Now" : "Back to now"}
      </button>
    </div>
  )
}

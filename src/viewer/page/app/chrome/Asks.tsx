import type { JSX } from "preact"
import { useEffect, useState } from "preact/hooks"
import { clock } from "../model/format"
import type { Asked, Live } from "../model/live"
import { Icon } from "../parts/icons"

const OUTCOMES: Record<string, string> = { agreed: "agreed", expired: "not answered in time", withdrawn: "withdrawn" }

/** What the producer asks those who watch, with the answers so far and the time that is left. */
export function Asks({ live }: { live: Live }): JSX.Element {
  return (
    <div class="asks" role="region" aria-label="Questions" aria-live="polite">
      {live.asks.map(asked => <Question key={asked.ask.ask} asked={asked} onAnswer={choice => void live.answer(asked.ask.ask, choice)} />)}
    </div>
  )
}

function Question({ asked, onAnswer }: { asked: Asked; onAnswer(choice: string): void }): JSX.Element {
  const { ask, settled, answer, error } = asked
  const left = useLeft(ask.deadline)
  const counts = settled?.counts ?? ask.counts
  return (
    <section class={`ask ${settled ? `ask-${settled.outcome}` : ""}`}>
      <p class="ask-question"><Icon name="ask" /> {ask.question}</p>
      <div class="ask-choices">
        {ask.choices.map((choice, place) => (
          <button
            type="button"
            key={choice}
            class={`choice ${place === 0 ? "choice-first" : ""}`}
            aria-pressed={answer === choice}
            disabled={settled !== undefined || left <= 0}
            onClick={() => onAnswer(choice)}
          >
            {choice} <span class="choice-count">{counts?.[choice] ?? 0}/{ask.needed}</span>
          </button>
        ))}
        <span class="quiet">
          {settled ? `${settled.choice ?? ""} ${OUTCOMES[settled.outcome] ?? settled.outcome}`.trim() : `${clock(left)} left`}
        </span>
      </div>
      {error && <p class="bad" role="alert">{error}</p>}
    </section>
  )
}

/** How many ms are left, told each second. */
function useLeft(deadline: number): number {
  const [left, setLeft] = useState(deadline - Date.now())
  useEffect(() => {
    const timer = setInterval(() => setLeft(deadline - Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [deadline])
  return left
}

import type { JSX } from "preact"

/** Line drawings on a grid of 16. */
const SHAPES = {
  shell: "M3 4l4 4-4 4M8.5 12H13",
  read: "M4 2h5l3 3v9H4zM9 2v3h3M6 8h4M6 11h4",
  write: "M4 2h5l3 3v9H4zM9 2v3h3M8 8v4M6 10h4",
  edit: "M3 13l.8-3L10.5 3.300l2.200 2.200L6 12.200zM9 4.800l2.200 2.200",
  search: "M7 2.500a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9zM10.300 10.300L14 14",
  list: "M2.500 4h2M7 4h6.500M2.500 8h2M7 8h6.500M2.500 12h2M7 12h6.500",
  web: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM2 8h12M8 2c2 2 2.500 4 2.500 6S10 12 8 14C6 12 5.500 10 5.500 8S6 4 8 2z",
  task: "M3 3h4v4H3zM9 9h4v4H9zM7 5h2.500a1.500 1.500 0 0 1 1.500 1.500V9",
  todo: "M2.500 4.500l1 1 2-2M8 4.500h5.500M2.500 10.500l1 1 2-2M8 10.500h5.500",
  tool: "M8 2l5 3v6l-5 3-5-3V5zM8 8l5-3M8 8v6M8 8L3 5",
  text: "M3 4h10M3 8h10M3 12h6",
  thought: "M8 2.500a4 4 0 0 1 2 7.500v1.500H6V10a4 4 0 0 1 2-7.500zM6.500 13.500h3",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  image: "M2.500 3h11v10h-11zM2.500 11l3-3 2.500 2.500 2-2 3.500 3.500M10.500 6h.01",
  step: "M8 6.500a1.500 1.500 0 1 1 0 3 1.500 1.500 0 0 1 0-3z",
  link: "M6.500 9.500l3-3M7 4.500l1-1a3 3 0 0 1 4.500 4.500l-1 1M9 11.500l-1 1A3 3 0 0 1 3.500 8l1-1",
  warn: "M8 2.500l6 11H2zM8 6.500v3.500M8 12h.01",
  down: "M8 3v10M4 9l4 4 4-4",
  up: "M8 13V3M4 7l4-4 4 4",
  close: "M4 4l8 8M12 4l-8 8",
  done: "M3 8.500l3.500 3.500L13 5",
  copy: "M6 6h7.500v7.500H6zM10 6V2.500H2.500V10H6",
  outline: "M2.500 4h11M5 8h8.500M5 12h8.500",
  play: "M5 3l8 5-8 5z",
  pause: "M5 3v10M11 3v10",
  sun: "M8 5.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5zM8 1.500v1.500M8 13v1.500M1.500 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M3.400 12.600l1-1M11.600 4.400l1-1",
  moon: "M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z",
  help: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM6.300 6.300a1.750 1.750 0 1 1 2.400 1.700c-.5.200-.700.600-.700 1.200M8 11.500h.01",
  eye: "M1.500 8S4 3.500 8 3.500 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8zM8 6.250a1.750 1.750 0 1 1 0 3.500 1.750 1.750 0 0 1 0-3.500z",
  ask: "M3 3h10v7.500H8.500L5.500 13v-2.500H3zM8 5v2.500M8 9h.01",
  lock: "M4 7h8v6.500H4zM5.500 7V5a2.500 2.500 0 0 1 5 0v2",
} as const

export type IconName = keyof typeof SHAPES

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" width={size} height={size} aria-hidden="true">
      <path d={SHAPES[name]} />
    </svg>
  )
}

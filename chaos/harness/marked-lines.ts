import type { Work } from "./work.ts";

/** Stands in the payloads that the board enqueues, and nowhere else. */
const MARK = "marked-payload-of-the-board";

/** What processes of the board wrote since it was last asked. */
const seen = { lines: 0, marked: [] as string[] };

/** Work with the mark in it. */
export function marked(work: Work): Work {
  return { ...work, mark: MARK };
}

/** Looks at a line, or more, that a process wrote to stdout or stderr. */
export function lookForMark(text: string): void {
  seen.lines += 1;
  if (text.includes(MARK)) seen.marked.push(text);
}

/** How many lines were looked at since the last call, and those that had the mark in them. */
export function takeMarkedLines(): { readonly lines: number; readonly marked: readonly string[] } {
  const taken = { ...seen };
  seen.lines = 0;
  seen.marked = [];
  return taken;
}

import { OptionError, describe } from "../core/errors.ts";
import type { JobRef, WorkerEvent } from "../core/events.ts";
import { isOneCharacter } from "./event-marbles.ts";

/** A letter for each type of event that is to be seen; the others are left out. */
export type EventLetters = Readonly<Partial<Record<WorkerEvent["type"], string>>>;

/**
 * The letters that events have in marbles: small ones for what happens to a job, capitals for what
 * happens to the worker. Add others with `{ ...EVENT_LETTERS, progress: "p" }`.
 */
export const EVENT_LETTERS: EventLetters = Object.freeze({
  "attempt-started": "a",
  succeeded: "s",
  "retry-scheduled": "r",
  snoozed: "z",
  failed: "f",
  cancelled: "c",
  released: "g",
  "lease-lost": "l",
  leaked: "k",
  "lease-expired": "L",
  drained: "D",
  "drain-timed-out": "T",
  aborted: "A",
});

/**
 * Checks letters.
 *
 * @throws OptionError for one that is no single character, means something else in marbles, or
 * stands for two types of events.
 */
export function checkLetters(letters: EventLetters): void {
  const seen = new Map<string, string>();
  for (const [type, letter] of Object.entries(letters)) {
    if (letter === undefined) continue;
    if (typeof letter !== "string" || !isOneCharacter(letter) || /[-|#()^!\s0-9]/u.test(letter)) {
      throw new OptionError(
        `Expected \`letters.${type}\` to be one character other than - | # ( ) ^ ! and digits, got ${describe(letter)}`,
      );
    }
    const other = seen.get(letter);
    if (other !== undefined) {
      throw new OptionError(`Expected \`letters\` to differ, got ${letter} for both ${other} and ${type}`);
    }
    seen.set(letter, type);
  }
}

/** One line about an event, for people: its type, its job, and what is special about it. */
export function eventLine(event: WorkerEvent): string {
  const parts: string[] = [event.type];
  if ("job" in event) parts.push(jobText(event.job));
  if ("delayMs" in event) parts.push(`after ${event.delayMs} ms`);
  if ("reason" in event) parts.push(event.reason);
  if ("error" in event) parts.push(`${event.error.name}: ${event.error.message}`);
  if ("interrupted" in event) parts.push(...event.interrupted.map(jobText));
  return parts.join(", ");
}

/** A job and its attempt, for people. */
export function jobText({ kind, id, attempt, maxAttempts }: JobRef): string {
  return `${kind} ${id}, attempt ${attempt} of ${maxAttempts}`;
}

import { ignoreElements, materialize, tap } from "rxjs";
import type { Observable, ObservableNotification } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import { OptionError } from "../core/errors.ts";
import type { WorkerEvent } from "../core/events.ts";
import { EVENT_LETTERS, checkLetters, eventLine, jobText } from "./event-letters.ts";
import type { EventLetters } from "./event-letters.ts";
import { readMarbles, writeDuration, writeMarbles } from "./event-marbles.ts";
import type { Marble, ReadMarbles } from "./event-marbles.ts";

/** What a worker is expected to do. */
export interface EventExpectation {
  /**
   * Compares the events with marbles: the letters of `EVENT_LETTERS`, `|` for the end and `#` for an
   * error of the stream, durations counted from the marble before them (`(ar) 10s (as)`).
   *
   * The worker is watched for as long as the marbles last, that moment included, and then
   * unsubscribed. Let them end with a duration to say that nothing more happens in it.
   *
   * @throws OptionError for marbles that cannot be read.
   */
  toBe(marbles: string, options?: { readonly letters?: EventLetters | undefined }): void;
}

/** How an expectation of events is carried out. */
export interface EventCheck {
  /** To be subscribed at 0, for as long as `subscription` says; emits nothing. */
  readonly watched$: Observable<never>;
  /** Subscription marbles of RxJS. */
  readonly subscription: string;
  /** What differs, when it is over. */
  readonly diff: () => string | undefined;
}

/** Expected to end, a worker is watched a while longer, so that it can be told when it did end. */
const LATER_MS = 60_000;

/** How many events a message tells of. */
const MAX_LINES = 40;

/** Something that was seen. */
interface Seen extends Marble {
  readonly line: string;
}

/** Plans the comparison of events with marbles. */
export function checkEvents(
  event$: Observable<WorkerEvent>,
  text: string,
  options: { readonly letters?: EventLetters | undefined; readonly now: () => number },
): EventCheck {
  const { letters = EVENT_LETTERS, now } = options;
  checkLetters(letters);
  const expected = readMarbles(text);
  checkMarks(text, expected, letters);
  const seen: Seen[] = [];
  const running = new Set<string>();
  const ends = expected.marbles.some(({ mark }) => mark === "|" || mark === "#");
  const untilMs = expected.endMs + (ends ? LATER_MS : 0);
  return {
    watched$: event$.pipe(
      materialize(),
      tap((notification) => {
        if (notification.kind === "N") noteRunning(notification.value, running);
        const mark = markOf(notification, letters);
        if (mark !== undefined) seen.push({ ms: now(), mark, line: lineOf(notification) });
      }),
      ignoreElements(),
    ),
    // What happens at the last moment is seen: the unsubscription stands one behind it.
    subscription: untilMs === 0 ? "^!" : `^ ${untilMs}ms !`,
    diff: () => eventDiff({ seen, running }, expected, letters),
  };
}

function checkMarks(text: string, { marbles }: ReadMarbles, letters: EventLetters): void {
  const known = new Set([...Object.values(letters), "|", "#"]);
  const strange = marbles.find(({ mark }) => !known.has(mark));
  if (strange === undefined) return;
  throw new OptionError(
    `The marbles ${JSON.stringify(text)} have ${strange.mark}, which no event has as its letter; there are ${legend(letters)}`,
  );
}

function markOf(
  notification: ObservableNotification<WorkerEvent>,
  letters: EventLetters,
): string | undefined {
  if (notification.kind === "N") return letters[notification.value.type];
  return notification.kind === "C" ? "|" : "#";
}

function lineOf(notification: ObservableNotification<WorkerEvent>): string {
  if (notification.kind === "N") return eventLine(notification.value);
  if (notification.kind === "C") return "the stream completes";
  const { name, message } = toErrorRecord(notification.error);
  return `the stream errors, ${name}: ${message}`;
}

/** Keeps the attempts that run. */
function noteRunning(event: WorkerEvent, running: Set<string>): void {
  if (!("job" in event) || event.type === "progress") return;
  const attempt = jobText(event.job);
  if (event.type === "attempt-started") running.add(attempt);
  else running.delete(attempt);
}

function eventDiff(
  { seen, running }: { readonly seen: readonly Seen[]; readonly running: ReadonlySet<string> },
  { marbles, endMs }: ReadMarbles,
  letters: EventLetters,
): string | undefined {
  const length = Math.max(seen.length, marbles.length);
  const at = Array.from({ length }, (_, index) => index).find(
    (index) => seen[index]?.ms !== marbles[index]?.ms || seen[index]?.mark !== marbles[index]?.mark,
  );
  if (at === undefined) return undefined;
  return [
    "The events differ from their marbles",
    `  expected  ${writeMarbles(marbles) || "(nothing)"}${quiet(marbles, endMs)}`,
    `  actual    ${writeMarbles(seen) || "(nothing)"}`,
    `First difference: expected ${tell(marbles[at])}, got ${tell(seen[at])}`,
    ...seen
      .slice(0, MAX_LINES)
      .map(({ ms, mark, line }) => `  ${writeDuration(ms).padStart(8)}  ${mark}  ${line}`),
    ...(seen.length > MAX_LINES ? [`  … and ${seen.length - MAX_LINES} more`] : []),
    ...(running.size > 0
      ? [`Still running: ${[...running].join("; ")} (what waits for a promise stands still in virtual time)`]
      : []),
    `Letters: ${legend(letters, new Set([...seen, ...marbles].map(({ mark }) => mark)))}`,
  ].join("\n");
}

/** The time at the end in which nothing is to happen. */
function quiet(marbles: readonly Marble[], endMs: number): string {
  const last = marbles.at(-1)?.ms ?? 0;
  return endMs > last ? ` ${writeDuration(endMs - last)}` : "";
}

function tell(marble: Marble | undefined): string {
  return marble === undefined ? "nothing more" : `${marble.mark} at ${writeDuration(marble.ms)}`;
}

function legend(letters: EventLetters, used?: ReadonlySet<string>): string {
  return Object.entries(letters)
    .filter(([, letter]) => used === undefined || used.has(letter))
    .map(([type, letter]) => `${letter} ${type}`)
    .join(", ");
}

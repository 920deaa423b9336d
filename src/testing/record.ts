import { defer, map, materialize, reduce } from "rxjs";
import type { Observable } from "rxjs";
import { checkOptions, rule } from "../core/check.ts";
import type { Rule } from "../core/check.ts";
import { toErrorRecord } from "../core/error-record.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import { toJsonText } from "../core/payload.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";
import { EVENT_LETTERS } from "./event-letters.ts";
import { writeMarbles } from "./event-marbles.ts";
import { FIXTURE_VERSION } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

/** Settings of `record`. */
export interface RecordOptions {
  /**
   * Whether results and progress values are kept, which may hold personal data. Default `false`.
   * What is no JSON errors the recording with a `PayloadError`.
   */
  readonly results?: boolean | undefined;
}

const RULES: Readonly<Record<keyof RecordOptions, Rule>> = {
  results: rule("true or false", (value) => typeof value === "boolean"),
};

/**
 * Turns a run into a fixture that can be kept as JSON and given to `replay`.
 *
 * ```text
 * event$    -a-b-----c|
 * result    ----------(F|)   F: a with 1 ms, b with 3 ms, c with 9 ms, the end with 10 ms
 *
 * event$    -a-#
 * result    ---(F|)          F: a with 1 ms, the error with 3 ms
 * ```
 *
 * Emits once, when the stream ends; cut one that does not with `takeUntil`. Left out are stacks,
 * the worker's label (it names the machine), and results and progress unless `results` says so;
 * payloads are in no event. Messages of errors stay: see to it that yours hold nothing personal.
 *
 * @throws OptionError at the call.
 */
export function record(event$: Observable<WorkerEvent>, options: RecordOptions = {}): Observable<Fixture> {
  checkOptions("record options", options, RULES);
  const { results = false } = options;
  return defer(() => {
    const now = monotonicClock();
    const startedAt = now();
    const start: Recorded = { events: [], end: { ms: 0 } };
    return event$.pipe(
      materialize(),
      reduce(({ events }, notification): Recorded => {
        const ms = Math.round(now() - startedAt);
        if (notification.kind === "N") events.push([ms, sanitised(notification.value, results)]);
        if (notification.kind !== "E") return { events, end: { ms } };
        return { events, end: { ms, error: withoutStack(toErrorRecord(notification.error)) } };
      }, start),
      map(({ events, end }): Fixture => ({
        format: "millrace-events",
        version: FIXTURE_VERSION,
        marbles: marblesOf(events, end),
        events,
        end,
      })),
    );
  });
}

interface Recorded {
  readonly events: [ms: number, event: WorkerEvent][];
  readonly end: Fixture["end"];
}

function marblesOf(events: Fixture["events"], end: Fixture["end"]): string {
  const marbles = events.flatMap(([ms, { type }]) => {
    const mark = EVENT_LETTERS[type];
    return mark === undefined ? [] : [{ ms, mark }];
  });
  return writeMarbles([...marbles, { ms: end.ms, mark: end.error === undefined ? "|" : "#" }]);
}

/** An event without what does not belong into a file: only what JSON keeps, as JSON keeps it. */
function sanitised(event: WorkerEvent, results: boolean): WorkerEvent {
  const copy: Record<string, unknown> = { ...event };
  if ("label" in copy) copy["label"] = "recorded";
  if ("error" in event) copy["error"] = withoutStack(event.error);
  for (const [member, what] of [
    ["result", "result"],
    ["value", "progress"],
  ] as const) {
    if (!(member in copy)) continue;
    if (!results || copy[member] === undefined) delete copy[member];
    else if ("job" in event) toJsonText(event.job.kind, copy[member], Infinity, what);
  }
  return JSON.parse(JSON.stringify(copy)) as WorkerEvent;
}

function withoutStack({ name, message }: ErrorRecord): ErrorRecord {
  return { name, message };
}

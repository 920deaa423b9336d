import { describe } from "../core/errors.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import { EVENT_TYPES } from "./an-event.ts";

/** The version of fixtures that this millrace writes and reads. */
export const FIXTURE_VERSION = 1;

/** A recorded run of a worker, as JSON. */
export interface Fixture {
  /** Tells it from other JSON. */
  readonly format: "millrace-events";
  /** Which version of this shape it is. */
  readonly version: typeof FIXTURE_VERSION;
  /** The run as marbles with the letters of `EVENT_LETTERS`, for people: `replay` does not read it. */
  readonly marbles: string;
  /** Each event, and when it came: milliseconds from the start of the recording, never falling. */
  readonly events: readonly (readonly [ms: number, event: WorkerEvent])[];
  /** When and how the stream ended, in milliseconds; with `error` where it errored. */
  readonly end: { readonly ms: number; readonly error?: ErrorRecord };
}

/** A fixture cannot be replayed: it is of another version, or broken. Says what it has and what is needed. */
export class FixtureError extends TypeError {
  override readonly name = "FixtureError";
}

/**
 * Checks that something is a fixture of this version.
 *
 * @throws FixtureError naming the place, what is there and what is needed.
 */
export function checkFixture(fixture: unknown): asserts fixture is Fixture {
  const { format, version, events, end } = members(fixture, "the fixture");
  need("format", '"millrace-events"', format, format === "millrace-events");
  if (version !== FIXTURE_VERSION) {
    throw new FixtureError(
      `The fixture has version ${describe(version)}, and this millrace replays version ${FIXTURE_VERSION}: ` +
        "record it again, or use the millrace that recorded it",
    );
  }
  need("events", "an array", events, Array.isArray(events));
  const lastMs = (events as readonly unknown[]).reduce(checkEntry, 0);
  const { ms, error } = members(end, "`end`");
  need("end.ms", `a number from ${lastMs} up`, ms, isMs(ms) && ms >= lastMs);
  if (error !== undefined) checkError("end.error", error);
}

/** Checks an entry that comes after `fromMs`, and answers with its own time. */
function checkEntry(fromMs: number, entry: unknown, index: number): number {
  const place = `events[${index}]`;
  if (!Array.isArray(entry)) throw broken(place, "a pair of milliseconds and an event", entry);
  const [ms, event] = entry as readonly unknown[];
  if (!isMs(ms) || ms < fromMs) throw broken(`${place}[0]`, `a number from ${fromMs} up`, ms);
  const { type, job, error } = members(event, `\`${place}[1]\``);
  const known = typeof type === "string" && EVENT_TYPES.has(type);
  need(`${place}[1].type`, "a type of event that this millrace knows", type, known);
  if (job !== undefined) checkJob(`${place}[1].job`, job);
  if (error !== undefined) checkError(`${place}[1].error`, error);
  return ms;
}

function checkJob(place: string, job: unknown): void {
  const { id, kind, attempt } = members(job, `\`${place}\``);
  need(`${place}.id`, "a text", id, typeof id === "string");
  need(`${place}.kind`, "a text", kind, typeof kind === "string");
  need(`${place}.attempt`, "a number", attempt, typeof attempt === "number");
}

function checkError(place: string, error: unknown): void {
  const { name, message } = members(error, `\`${place}\``);
  need(`${place}.name`, "a text", name, typeof name === "string");
  need(`${place}.message`, "a text", message, typeof message === "string");
}

function members(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new FixtureError(`Expected ${what} to be an object, got ${describe(value)}`);
}

function need(place: string, rule: string, value: unknown, holds: boolean): void {
  if (!holds) throw broken(place, rule, value);
}

function broken(place: string, rule: string, value: unknown): FixtureError {
  return new FixtureError(`Expected \`${place}\` of the fixture to be ${rule}, got ${describe(value)}`);
}

function isMs(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

/**
 * Every error class that millrace throws or stores. `docs/errors.md` has a heading for each.
 *
 * Messages say: subject, what is wrong, what to do. No message holds a payload, a password or a
 * connection string.
 */

/** A setting, an argument or a name breaks its rule. Nothing was done. */
export class OptionError extends TypeError {
  override readonly name = "OptionError";
}

/** A job is to run after one that never was: not exported, an `OptionError` to everybody else. */
export class UnknownParentError extends OptionError {
  /** The id that no job has had. */
  readonly parentId: string;

  constructor(message: string, parentId: string) {
    super(message);
    this.parentId = parentId;
  }
}

/** The tables in the database do not fit this version of millrace. The message says what to run. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/**
 * A payload is no JSON that Postgres can keep, or does not fit the schema of its kind. From a handler
 * it fails the job at once: the next attempt would make the same. So do progress and kept results that
 * are no JSON.
 */
export class PayloadError extends TypeError {
  override readonly name = "PayloadError";
}

/** Thrown by a handler: this job must not be tried again, whatever attempts are left. */
export class PermanentError extends Error {
  override readonly name = "PermanentError";
}

/**
 * Thrown by a handler: run this job again after `delayMs`, and do not count this attempt.
 *
 * @param delayMs Milliseconds from 0 to 10 years.
 */
export class Snooze extends Error {
  override readonly name = "Snooze";
  /** Milliseconds until the job may run again. */
  readonly delayMs: number;

  constructor(delayMs: number, message = `postponed by ${delayMs} ms`) {
    super(message);
    if (!Number.isFinite(delayMs) || delayMs < 0 || delayMs > MAX_DELAY_MS) {
      throw new OptionError(
        expected("delayMs", `a number of milliseconds from 0 to ${MAX_DELAY_MS}`, delayMs),
      );
    }
    this.delayMs = delayMs;
  }
}

/** The longest delay that any option takes: ten years, in milliseconds. */
export const MAX_DELAY_MS: number = 10 * 366 * 24 * 60 * 60 * 1000;

/**
 * Why the `AbortSignal` of an attempt fired: its `signal.reason` is always one of these.
 *
 * - `shutdown`: the drain timeout passed; the job is released, its attempt uncounted.
 * - `aborted`: the worker was aborted or unsubscribed; its lease runs out.
 * - `timeout`: the attempt took longer than its `timeoutMs`; it counts as failed.
 * - `lease-lost`: another worker may own the job by now; nothing more is written.
 * - `cancelled`: somebody cancelled the job (`client.cancel`); the attempt is not counted.
 */
export type InterruptReason = "shutdown" | "aborted" | "timeout" | "lease-lost" | "cancelled";

/** The reason of an attempt's `AbortSignal`. Tell the cases apart by `reason`. */
export class InterruptedError extends Error {
  override readonly name: string = "InterruptedError";
  /** Why the attempt had to end. */
  readonly reason: InterruptReason;

  constructor(reason: InterruptReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The attempt ran longer than its `timeoutMs`. */
export class AttemptTimeoutError extends InterruptedError {
  override readonly name = "AttemptTimeoutError";

  constructor(timeoutMs: number) {
    super("timeout", `The attempt took longer than its timeoutMs of ${timeoutMs} ms`);
  }
}

/** The worker's lease ran out, so its claims may already belong to another worker. */
export class LeaseLostError extends InterruptedError {
  override readonly name = "LeaseLostError";

  constructor(message = "The worker's lease ran out: another worker may own this job now") {
    super("lease-lost", message);
  }
}

/** Somebody cancelled the job. The message holds the reason that was given. */
export class CancelledError extends InterruptedError {
  override readonly name = "CancelledError";

  constructor(reason: string) {
    super("cancelled", reason);
  }
}

/** Waiting for a result came to nothing: the job failed, was cancelled, or keeps no result. */
export class ResultError extends Error {
  override readonly name = "ResultError";
  /** `failed`, `cancelled`, `timeout`: it did not end in time. `gone`: it ended and no result is kept. */
  readonly reason: "failed" | "cancelled" | "timeout" | "gone";

  constructor(reason: ResultError["reason"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Enqueuing from a stream ended early. Its `cause` is the error that ended it. */
export class EnqueueError<T = unknown> extends Error {
  override readonly name = "EnqueueError";
  /**
   * `source`: the source failed, and all that it gave before is enqueued. `value`: a value was
   * refused, or `map` threw. `write`: Postgres took no more.
   */
  readonly reason: "source" | "value" | "write";
  /** How many values are enqueued: the first so many of the source. So the next one has this index. */
  readonly written: number;
  /**
   * How many of the first of `unwritten` may be enqueued all the same, all of them or none, for the
   * reply to their insert was lost. Mostly 0.
   */
  readonly uncertain: number;
  /** What was read of the source and is not enqueued, in its order. Not shown when it is logged. */
  declare readonly unwritten: readonly T[];

  constructor(reason: EnqueueError["reason"], message: string, details: EnqueueErrorDetails<T>) {
    super(message, { cause: details.cause });
    this.reason = reason;
    this.written = details.written;
    this.uncertain = details.uncertain;
    // They hold payloads, and loggers show whatever is enumerable.
    Object.defineProperty(this, "unwritten", { value: details.unwritten });
  }
}

/** What an `EnqueueError` is made of. */
export interface EnqueueErrorDetails<T> {
  /** What went wrong. */
  readonly cause: unknown;
  /** How many values are enqueued. */
  readonly written: number;
  /** How many of those that are not may be, all the same. */
  readonly uncertain: number;
  /** What was read and is not enqueued. */
  readonly unwritten: readonly T[];
}

/** The client was closed, so it takes no more calls. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";
}

/**
 * Words the message for a broken rule: ``Expected `concurrency` to be an integer from 1 up, got 0 (number)``.
 *
 * @param name The option or argument.
 * @param rule What it must be, to follow "to be".
 * @param value What came. Only its type is told for objects, and strings are cut.
 */
export function expected(name: string, rule: string, value: unknown): string {
  return `Expected \`${name}\` to be ${rule}, got ${describe(value)}`;
}

/** The same for what must not be shown, such as a payload or a key: only its type is told. */
export function expectedType(name: string, rule: string, value: unknown): string {
  return `Expected \`${name}\` to be ${rule}, got ${describeType(value)}`;
}

/** Tells what sort of value it is, and how long a text is. Never throws. */
export function describeType(value: unknown): string {
  if (typeof value === "string") return `a text of ${value.length} characters`;
  return ["number", "bigint", "boolean"].includes(typeof value) ? `a ${typeof value}` : describe(value);
}

/**
 * Tells a value and its type in a few words, at most 80 characters; of a URL, which may hold a
 * password, no more than that it is one. Never throws, whatever it is given.
 */
export function describe(value: unknown): string {
  try {
    return describeAny(value);
  } catch {
    return "an object";
  }
}

function describeAny(value: unknown): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "string":
      if (value.includes("://")) return "a URL (string)";
      return `${short(JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value))} (string)`;
    case "number":
    case "boolean":
      return `${String(value)} (${typeof value})`;
    case "bigint":
      return `${short(String(value))} (bigint)`;
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    default:
      if (Array.isArray(value)) return `an array of ${value.length}`;
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : "a Date";
      return "an object";
  }
}

function short(text: string): string {
  return text.length > 65 ? `${text.slice(0, 64)}…` : text;
}

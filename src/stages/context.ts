import { LeaseLostError } from "../core/errors.ts";
import type { InterruptedError } from "../core/errors.ts";
import type { ClaimedJob } from "../core/job.ts";

/** The parts of a pino logger that handlers get. */
export interface Log {
  /** Logs fields, and a message with them, on the level `debug`. */
  debug(fields: object, message?: string): void;
  /** Logs a message on the level `debug`. */
  debug(message: string): void;
  /** Logs fields, and a message with them, on the level `info`. */
  info(fields: object, message?: string): void;
  /** Logs a message on the level `info`. */
  info(message: string): void;
  /** Logs fields, and a message with them, on the level `warn`. */
  warn(fields: object, message?: string): void;
  /** Logs a message on the level `warn`. */
  warn(message: string): void;
  /** Logs fields, and a message with them, on the level `error`. */
  error(fields: object, message?: string): void;
  /** Logs a message on the level `error`. */
  error(message: string): void;
}

/** What a handler gets besides its job. */
export interface AttemptContext {
  /**
   * Fires when the attempt must end; its `reason` is an `InterruptedError`. Belongs to this attempt
   * alone, so it may be handed on without leaking.
   */
  readonly signal: AbortSignal;
  /** A logger that already knows the job: id, kind, source, attempt, worker. */
  readonly log: Log;
  /**
   * Completes the job inside the handler's own transaction, so that effect and acknowledgement
   * commit together. Let its rejection end the transaction. Where that is stricter than READ
   * COMMITTED, it may fail with SQLSTATE 40001, as any statement there.
   *
   * @param tx Anything with `query(text, values)`, inside an open transaction.
   * @throws LeaseLostError when the job is not this attempt's any more.
   */
  readonly complete: (tx: unknown) => Promise<void>;
}

/** What contexts are made with. */
export interface ContextSetup {
  /** Completes a job in a transaction of the handler's; `false` when its claim is gone. */
  readonly completeIn: (tx: unknown, job: ClaimedJob) => Promise<boolean>;
  /** Logger for one attempt. */
  readonly logOf: (job: ClaimedJob) => Log;
}

/** What is known of an attempt that a handler may change, or that may end it. */
export interface Interruptible {
  controller: AbortController | undefined;
  reason: InterruptedError | undefined;
  committed: boolean;
}

/** What the context of an attempt is made of. */
interface ContextParts {
  readonly setup: ContextSetup;
  readonly job: ClaimedJob;
  readonly attempt: Interruptible;
}

/** Makes the context of an attempt. */
export function contextOf(parts: ContextParts): AttemptContext {
  return new Context(parts);
}

/**
 * Signal and log are made when somebody asks, for most handlers of small jobs never do. They are
 * properties of each context, so that a copy of it by `{ ...context }` has them. Their getters are the
 * same for all: an object with getters of its own costs as much as everything else about an attempt.
 */
class Context implements AttemptContext {
  static readonly #SIGNAL = {
    enumerable: true,
    get(this: Context): AbortSignal {
      const { attempt } = this.#parts;
      if (attempt.controller === undefined) {
        attempt.controller = new AbortController();
        if (attempt.reason !== undefined) attempt.controller.abort(attempt.reason);
      }
      return attempt.controller.signal;
    },
  };
  static readonly #LOG = {
    enumerable: true,
    get(this: Context): Log {
      const { setup, job } = this.#parts;
      return setup.logOf(job);
    },
  };

  declare readonly signal: AbortSignal;
  declare readonly log: Log;
  readonly complete: AttemptContext["complete"];
  readonly #parts: ContextParts;

  constructor(parts: ContextParts) {
    this.#parts = parts;
    this.complete = async (tx) => {
      if (!(await parts.setup.completeIn(tx, parts.job))) throw new LeaseLostError();
      parts.attempt.committed = true;
    };
    Object.defineProperty(this, "signal", Context.#SIGNAL);
    Object.defineProperty(this, "log", Context.#LOG);
  }
}

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

const PARTS = Symbol("parts");

interface WithParts {
  readonly [PARTS]: ContextParts;
}

const SIGNAL = {
  enumerable: true,
  get(this: WithParts): AbortSignal {
    const { attempt } = this[PARTS];
    if (attempt.controller === undefined) {
      attempt.controller = new AbortController();
      if (attempt.reason !== undefined) attempt.controller.abort(attempt.reason);
    }
    return attempt.controller.signal;
  },
};

const LOG = {
  enumerable: true,
  get(this: WithParts): Log {
    const { setup, job } = this[PARTS];
    return setup.logOf(job);
  },
};

/**
 * Makes the context of an attempt. Signal and log are made when somebody asks, for most handlers of small
 * jobs never do. They are properties of each context, so that a copy of it by `{ ...context }` has them,
 * and work behind a Proxy, too. Their getters are the same for all: an object with getters of its own has
 * a hidden class of its own, which takes three times as long.
 */
export function contextOf(parts: ContextParts): AttemptContext {
  const { setup, job, attempt } = parts;
  const context = {
    [PARTS]: parts,
    complete: async (tx: unknown) => {
      if (!(await setup.completeIn(tx, job))) throw new LeaseLostError();
      attempt.committed = true;
    },
  };
  Object.defineProperty(context, "signal", SIGNAL);
  Object.defineProperty(context, "log", LOG);
  return context as unknown as AttemptContext;
}

import { OptionError, PayloadError, describe, expected } from "./core/errors.ts";
import type { ClaimedJob } from "./core/job.ts";
import { describeIssues, isUnchecked } from "./core/schema.ts";
import type { JobSchemas, KindOf, PayloadInput, PayloadOutput, ValidationResult } from "./core/schema.ts";
import type { AttemptSetup } from "./stages/attempt.ts";
import type { AttemptContext } from "./stages/context.ts";
import type { Handler } from "./stages/handler.ts";

/** A job as its handler gets it. */
export interface Job<Kind extends string = string, Payload = unknown> extends ClaimedJob {
  /** What sort of work it is. */
  readonly kind: Kind;
  /** What was enqueued, as the schema of its kind made it. */
  readonly payload: Payload;
}

/** A job of any kind as it is claimed: with the payload that was enqueued. */
export type ClaimedJobOf<Jobs extends JobSchemas> = {
  readonly [Kind in KindOf<Jobs>]: Job<Kind, PayloadInput<Jobs[Kind]>>;
}[KindOf<Jobs>];

/** A job of any kind as its handler gets it. */
export type JobOf<Jobs extends JobSchemas> = {
  readonly [Kind in KindOf<Jobs>]: Job<Kind, PayloadOutput<Jobs[Kind]>>;
}[KindOf<Jobs>];

/**
 * What a handler may return: nothing, a plain value, which is the result, or an Observable, a promise, a
 * stream or an (async) iterable, of which the last value is.
 */
export type HandlerResult = unknown;

/**
 * Does the work of one kind. A plain value is the result; a promise resolves to it; the values of an
 * Observable or an (async) iterable are progress, but for `undefined`, and the last one is the result.
 * An array is an iterable, too: to result in one, resolve to it. A throw or a rejection fails the
 * attempt.
 */
export type JobHandler<Jobs extends JobSchemas, Kind extends KindOf<Jobs>> = (
  job: Job<Kind, PayloadOutput<Jobs[Kind]>>,
  context: AttemptContext,
) => HandlerResult;

/** Handlers by kind. Kinds without one are left for other workers. */
export type Handlers<Jobs extends JobSchemas> = {
  readonly [Kind in KindOf<Jobs>]?: JobHandler<Jobs, Kind>;
};

/**
 * Checks the handlers of a worker and makes the look-ups that attempts need.
 *
 * @throws OptionError for a kind that the client does not know, for what is no function, for none.
 */
export function resolveHandlers(
  jobs: JobSchemas,
  handlers: unknown,
): Pick<AttemptSetup, "handlerOf" | "prepare"> & { readonly kinds: readonly string[] } {
  if (typeof handlers !== "object" || handlers === null || Array.isArray(handlers)) {
    throw new OptionError(expected("handlers", "an object of kinds and their handlers", handlers));
  }
  // A Map: a kind called `constructor` must not find what every object has.
  const byKind = new Map<string, Handler>();
  /** Those that check. */
  const schemas = new Map<string, JobSchemas[string]>();
  for (const [kind, handler] of Object.entries(handlers)) {
    if (handler === undefined) continue;
    if (!Object.hasOwn(jobs, kind)) throw new OptionError(unknownKind(jobs, kind));
    if (typeof handler !== "function")
      throw new OptionError(expected(`handlers.${kind}`, "a function", handler));
    byKind.set(kind, handler as Handler);
    const schema = jobs[kind];
    if (schema !== undefined && !isUnchecked(schema)) schemas.set(kind, schema);
  }
  if (byKind.size === 0) throw new OptionError("Expected `handlers` to have at least one handler, got none");
  return {
    kinds: [...byKind.keys()],
    handlerOf: (kind) => byKind.get(kind),
    prepare: (job) => {
      const schema = schemas.get(job.kind);
      return schema === undefined ? job : prepare(schema, job);
    },
  };
}

/**
 * Checks that a client knows kinds.
 *
 * @throws OptionError
 */
export function checkKinds(jobs: JobSchemas, kinds: readonly unknown[] = []): void {
  for (const kind of kinds) {
    if (typeof kind !== "string" || !Object.hasOwn(jobs, kind))
      throw new OptionError(unknownKind(jobs, kind));
  }
}

/** The message for a kind that nobody registered. */
export function unknownKind(jobs: JobSchemas, kind: unknown): string {
  const known = Object.keys(jobs).join(", ");
  return `Unknown kind ${describe(kind)}: the client's \`jobs\` has ${known === "" ? "none" : known}`;
}

/**
 * Checks the payload of a claimed job against the schema of its kind. It may have been enqueued by
 * another version of the app, or by SQL.
 *
 * @throws PayloadError, which fails the job for good: the next attempt would find the same payload.
 */
function prepare(schema: JobSchemas[string], job: ClaimedJob): ClaimedJob | Promise<ClaimedJob> {
  const accept = (result: ValidationResult<unknown>): ClaimedJob => {
    if (result.issues === undefined) return { ...job, payload: result.value };
    throw new PayloadError(
      `The payload of this ${JSON.stringify(job.kind)} job no longer fits its schema: ${describeIssues(result.issues, job.payload)}`,
    );
  };
  const result = schema["~standard"].validate(job.payload);
  return result instanceof Promise ? result.then(accept) : accept(result);
}

import { hostname } from "node:os";
import { isObservable } from "rxjs";
import type { Observable } from "rxjs";
import { DEFAULT_BACKOFF } from "./core/backoff.ts";
import type { BackoffPolicy, RetryFunction } from "./core/backoff.ts";
import { checkOptions, integer, milliseconds, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import { OptionError, expected } from "./core/errors.ts";
import { checkName } from "./core/schema.ts";
import type { PublishMode } from "./events/cluster-event.ts";
import { DEFAULTS } from "./options.ts";
import type { OwnStages, WorkerSettings } from "./options.ts";

/** How many jobs a lane claims ahead at most, however quick they are. */
export const PREFETCH_LIMIT = 4_000;

/** A worker's settings with nothing left open. */
export interface ResolvedSettings {
  /** The queues, each with its slots. */
  readonly lanes: readonly { readonly queue: string; readonly concurrency: number }[];
  /** Milliseconds between polls. */
  readonly pollIntervalMs: number;
  /** Milliseconds that claims stand without a heartbeat. */
  readonly leaseDurationMs: number;
  /** Milliseconds that running attempts get to finish at shutdown. */
  readonly drainTimeoutMs: number;
  /** Milliseconds that an attempt which was told to end is waited for. */
  readonly abortGraceMs: number;
  /** How many attempts that were given up may still run before no more is claimed. */
  readonly maxLeaked: number;
  /** Milliseconds that an attempt may take, for jobs that do not say. */
  readonly timeoutMs: number | undefined;
  /** Retry policy for jobs that have none. */
  readonly backoff: BackoffPolicy | RetryFunction;
  /** Who this is, for people. */
  readonly label: string;
  /** Whether to LISTEN. */
  readonly listen: boolean;
  /** Whether events go to other processes. */
  readonly publish: PublishMode;
  /** The least time between two progress values, in milliseconds. */
  readonly progressIntervalMs: number;
  /** How long failed jobs are kept, in milliseconds; `undefined`: for ever. */
  readonly keepFailedMs: number | undefined;
  /** More reasons to look for work. */
  readonly wakeup$: Observable<unknown> | undefined;
  /** The app's own operators. */
  readonly stages: OwnStages;
  /** How many attempts of a queue may run at once. */
  readonly capacity$: Observable<number | boolean> | undefined;
}

const CONCURRENCY = integer(1, 10_000);

const PUBLISH_MODES: readonly unknown[] = ["auto", "always", "never"] satisfies PublishMode[];

/** The rule of each setting; the table in `README.md` is checked against it. */
export const WORKER_RULES: Readonly<Record<string, Rule>> = {
  queues: rule("an array of queue names, or an object of queue names and their concurrency", isObject),
  concurrency: CONCURRENCY,
  pollIntervalMs: milliseconds(10),
  leaseDurationMs: milliseconds(100),
  drainTimeoutMs: milliseconds(0),
  abortGraceMs: rule(
    "a number of milliseconds from 0 to 10000",
    (value) => milliseconds(0).holds(value) && Number(value) <= 10_000,
  ),
  maxLeaked: integer(1, 100_000),
  timeoutMs: milliseconds(1),
  backoff: rule("a backoff policy or a function", (value) => typeof value === "function" || isObject(value)),
  label: rule("a text", (value) => typeof value === "string"),
  listen: rule("true or false", (value) => typeof value === "boolean"),
  publish: rule('"auto", "always" or "never"', (value) => PUBLISH_MODES.includes(value)),
  progressIntervalMs: milliseconds(0),
  keepFailedMs: milliseconds(0),
  wakeup$: rule("an Observable", isObservable),
  capacity$: rule("an Observable", isObservable),
  stages: rule("an object with wakeup, dispatch or attempt", isObject),
};

/**
 * Checks a worker's settings and fills in the defaults.
 *
 * @throws OptionError naming the setting, its rule and what came.
 */
export function resolveSettings(settings: WorkerSettings): ResolvedSettings {
  checkOptions("worker options", settings, WORKER_RULES);
  const concurrency = settings.concurrency ?? DEFAULTS.concurrency;
  const label = settings.label ?? `${hostname()}-${process.pid}`;
  checkName("label", label);
  return {
    lanes: lanesOf(settings.queues ?? [DEFAULTS.queue], concurrency),
    pollIntervalMs: settings.pollIntervalMs ?? DEFAULTS.pollIntervalMs,
    leaseDurationMs: settings.leaseDurationMs ?? DEFAULTS.leaseDurationMs,
    drainTimeoutMs: settings.drainTimeoutMs ?? DEFAULTS.drainTimeoutMs,
    abortGraceMs: settings.abortGraceMs ?? DEFAULTS.abortGraceMs,
    maxLeaked: settings.maxLeaked ?? DEFAULTS.maxLeaked,
    timeoutMs: settings.timeoutMs,
    backoff: typeof settings.backoff === "function" ? settings.backoff : resolveBackoff(settings.backoff),
    label,
    listen: settings.listen ?? DEFAULTS.listen,
    publish: settings.publish ?? DEFAULTS.publish,
    progressIntervalMs: settings.progressIntervalMs ?? DEFAULTS.progressIntervalMs,
    keepFailedMs: settings.keepFailedMs,
    wakeup$: settings.wakeup$,
    stages: resolveStages(settings.stages),
    capacity$: settings.capacity$,
  };
}

const BACKOFF_RULES: Readonly<Record<keyof BackoffPolicy, Rule>> = {
  initialMs: milliseconds(0),
  factor: rule(
    "a number from 1 to 1000",
    (value) => typeof value === "number" && value >= 1 && value <= 1000,
  ),
  maxMs: milliseconds(0),
  jitter: rule("a number from 0 to 1", (value) => typeof value === "number" && value >= 0 && value <= 1),
};

/**
 * Checks a backoff policy and fills in the defaults.
 *
 * @throws OptionError
 */
export function resolveBackoff(policy: Partial<BackoffPolicy> | undefined): BackoffPolicy {
  checkOptions("backoff", policy ?? {}, BACKOFF_RULES);
  const given = Object.entries(policy ?? {}).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_BACKOFF, ...Object.fromEntries(given) };
}

const FUNCTION = rule("a function", (value) => typeof value === "function");

const STAGE_RULES: Readonly<Record<keyof OwnStages, Rule>> = {
  wakeup: FUNCTION,
  dispatch: FUNCTION,
  attempt: FUNCTION,
};

function resolveStages(stages: OwnStages | undefined): OwnStages {
  checkOptions("stages", stages ?? {}, STAGE_RULES);
  return stages ?? {};
}

function lanesOf(
  queues: readonly string[] | Readonly<Record<string, number>>,
  concurrency: number,
): ResolvedSettings["lanes"] {
  const named: readonly (readonly [string, number])[] = Array.isArray(queues)
    ? queues.map((queue: string) => [queue, concurrency] as const)
    : Object.entries(queues as Readonly<Record<string, number>>);
  if (named.length === 0) throw new OptionError(expected("queues", "at least one queue", queues));
  const seen = new Set<string>();
  return named.map(([queue, slots]) => {
    checkName("queue", queue);
    if (seen.has(queue))
      throw new OptionError(`The queue ${JSON.stringify(queue)} is named twice in \`queues\``);
    seen.add(queue);
    if (!CONCURRENCY.holds(slots)) throw new OptionError(expected(`queues.${queue}`, CONCURRENCY.is, slots));
    return { queue, concurrency: slots };
  });
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

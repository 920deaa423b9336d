import type { ObservableInput } from "rxjs";
import { checkOptions, integer, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import type { NewJob } from "./core/job.ts";
import { jobParts } from "./core/parts.ts";
import type { JobSchemas, KindOf, PayloadInput } from "./core/schema.ts";
import { enqueueEach } from "./enqueue-each.ts";
import type { EnqueueEachSetup, Enqueuing } from "./enqueue-each.ts";
import { newJob } from "./enqueue.ts";
import type { EnqueueDefaults } from "./enqueue.ts";
import { checkJob, checkJobOptions } from "./job-options.ts";
import type { JobOptions } from "./job-options.ts";

/** Options of `client.enqueueEach`. */
export interface EnqueueEachOptions<T> {
  /** How the jobs are to be run: for all the same, or a function of the value and its index from 0. */
  readonly options?: JobOptions | ((value: T, index: number) => JobOptions) | undefined;
  /**
   * How many jobs are written at once at most, and read ahead of that. Choose less where values are
   * large. Integer from 1 to 10,000. Default 1,000.
   */
  readonly max?: number | undefined;
}

/** Options of `client.enqueueEach` for values that are no payloads yet. */
export interface EnqueueEachMapped<T, Payload> extends EnqueueEachOptions<T> {
  /** Makes the payload of a value, given its index from 0. What it throws refuses the value. */
  readonly map: (value: T, index: number) => Payload;
}

/** The type of `client.enqueueEach`. */
export interface EnqueueEach<Jobs extends JobSchemas> {
  /** For a source of anything, with a `map` to payloads. */
  <Kind extends KindOf<Jobs>, T>(
    kind: Kind,
    options: EnqueueEachMapped<T, PayloadInput<Jobs[Kind]>>,
  ): Enqueuing<T>;
  /** For a source of payloads. */
  <Kind extends KindOf<Jobs>>(
    kind: Kind,
    options?: EnqueueEachOptions<PayloadInput<Jobs[Kind]>>,
  ): Enqueuing<PayloadInput<Jobs[Kind]>>;
}

const RULES: Readonly<Record<string, Rule>> = {
  map: rule("a function", isFunction),
  options: rule(
    "job options, or a function that makes them",
    (value) => isFunction(value) || isObject(value),
  ),
  max: integer(1, 10_000),
};

const DEFAULT_MAX = 1_000;

/** What the client adds to `enqueueEach`. */
export interface EnqueueEachClient {
  readonly defaults: EnqueueDefaults;
  /** Writes jobs, all or none, tells the workers, and answers with the ids in the same order. */
  readonly write: (jobs: readonly NewJob[]) => ObservableInput<readonly string[]>;
  /** @throws ClosedError after `close()`. */
  readonly open: () => void;
}

/** Makes `client.enqueueEach`. */
export function enqueueEachOf<Jobs extends JobSchemas>(client: EnqueueEachClient): EnqueueEach<Jobs> {
  const { defaults, open } = client;
  function each(
    kind: KindOf<Jobs>,
    given: Partial<EnqueueEachMapped<unknown, unknown>> = {},
  ): Enqueuing<unknown> {
    open();
    checkOptions("enqueueEach options", given, RULES);
    const { map = (value) => value, options = {}, max = DEFAULT_MAX } = given;
    const fixed = typeof options === "function" ? {} : options;
    checkJobOptions(fixed);
    checkJob(defaults.jobs, kind, fixed);
    const optionsOf = typeof options === "function" ? checkedBy(options) : (): JobOptions => options;
    return enqueueEach({
      max,
      make: madeJobs((value: unknown, index) =>
        newJob(defaults, kind, map(value, index), optionsOf(value, index)),
      ),
      write: (jobs: readonly NewJob[]) => {
        open();
        return client.write(jobs);
      },
    });
  }
  return each;
}

function checkedBy<T>(optionsOf: (value: T, index: number) => JobOptions): typeof optionsOf {
  return (value, index) => {
    const options = optionsOf(value, index);
    checkJobOptions(options);
    return options;
  };
}

/** Makes jobs one after the other, until one throws. */
function madeJobs<T>(
  toJob: (value: T, index: number) => NewJob | Promise<NewJob>,
): EnqueueEachSetup<T, NewJob>["make"] {
  return async (values, index) => {
    const jobs: NewJob[] = [];
    try {
      for (const value of values) jobs.push(await toJob(value, index + jobs.length));
    } catch (error) {
      return { parts: jobParts(jobs), refused: { error } };
    }
    return { parts: jobParts(jobs) };
  };
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

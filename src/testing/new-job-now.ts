import { OptionError } from "../core/errors.ts";
import type { NewJob } from "../core/job.ts";
import { newJob } from "../enqueue.ts";
import type { EnqueueDefaults } from "../enqueue.ts";
import { checkJobOptions } from "../job-options.ts";
import type { JobOptions } from "../job-options.ts";

/**
 * What `client.enqueue` makes of a job, at once: a promise would not settle in virtual time.
 *
 * @throws OptionError for a kind or an option that breaks its rule, for a schema that is asynchronous.
 * @throws PayloadError for a payload that is no JSON or does not fit its schema.
 */
export function newJobNow(
  defaults: EnqueueDefaults,
  kind: string,
  payload: unknown,
  options: JobOptions,
): NewJob {
  checkJobOptions(options);
  const job = newJob(defaults, kind, payload, options);
  if (!(job instanceof Promise)) return job;
  job.catch(() => undefined);
  throw new OptionError(asyncSchema(kind));
}

/** The message for a schema that answers with a promise. */
export function asyncSchema(kind: string): string {
  return (
    `The schema of ${JSON.stringify(kind)} checks asynchronously, and promises do not settle in virtual time: ` +
    "give the virtual worker a schema that answers at once"
  );
}

/**
 * Backoff as data and as a function, an error that is not tried again, a job that is postponed.
 *
 * ```text
 * flaky, attempt 1: failed, next in 10 ms
 * flaky, attempt 2: failed, next in 20 ms
 * flaky, attempt 3: done
 * typo, attempt 1: failed for good: it is not a function
 * hopeless, attempt 1: failed for good: no such account
 * early, attempt 1: postponed by 30 ms
 * early, attempt 1: done
 * listed: hopeless, typo
 * ```
 */
import { filter, firstValueFrom, tap } from "rxjs";
import { createClient, payload, PermanentError, Snooze } from "../src/index.ts";
import type { JobOptions, JobRef } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
const jobs = {
  flaky: payload<null>(),
  typo: payload<null>(),
  hopeless: payload<null>(),
  early: payload<null>(),
};
const { connectionString } = server;
await using client = createClient({ connectionString, schema: "example_retry", jobs, logger: false });
await client.migrate();
let asked = 0;
await using worker = await client.spawnWorker({
  backoff: (error, attempt) => (error instanceof TypeError ? "stop" : 1_000 * attempt),
  handlers: {
    flaky: (job) => (job.attempt < 3 ? Promise.reject(new Error("no answer")) : undefined),
    typo: () => Promise.reject(new TypeError("it is not a function")),
    hopeless: () => Promise.reject(new PermanentError("no such account")),
    early: () => (asked++ === 0 ? Promise.reject(new Snooze(30)) : undefined),
  },
});
const say = ({ kind, attempt }: JobRef, what: string) => console.log(`${kind}, attempt ${attempt}: ${what}`);
const ended$ = worker.event$.pipe(
  tap((event) => {
    if (event.type === "retry-scheduled") say(event.job, `failed, next in ${event.delayMs} ms`);
    if (event.type === "failed") say(event.job, `failed for good: ${event.error.message}`);
    if (event.type === "snoozed") say(event.job, `postponed by ${event.delayMs} ms`);
    if (event.type === "succeeded") say(event.job, "done");
  }),
  filter(({ type }) => type === "succeeded" || type === "failed"),
);
const flaky: JobOptions = { backoff: { initialMs: 10, factor: 2, jitter: 0 } };
for (const kind of ["flaky", "typo", "hopeless", "early"] as const) {
  const ended = firstValueFrom(ended$);
  await client.enqueue(kind, null, kind === "flaky" ? flaky : {});
  await ended;
}
const failed = await client.listFailed();
console.log(`listed: ${failed.map(({ kind }) => kind).join(", ")}`);
for (const { id } of failed) await client.deleteFailed(id);

/**
 * The streams without operators: `for await` over the events of a worker and of all workers, a
 * signal that drains a worker, and a stream as a signal for what knows nothing of streams.
 *
 * ```text
 * Ada is greeted
 * Bob is greeted
 * Cy is greeted
 * the worker has drained
 * the other loop was left after 2 jobs
 * the subtask ended with the job of Cy
 * ```
 */
import { setTimeout } from "node:timers/promises";
import { filter, firstValueFrom } from "rxjs";
import { createClient, fromSignal, iterate, payload, toSignal } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_for_await",
  jobs: { greet: payload<null>() },
  logger: false,
});
await client.migrate();
const succeeded = { types: ["succeeded"] } as const;

// The events of all workers. Leaving the loop unsubscribes, and nothing is left of it.
const counted = (async () => {
  let jobs = 0;
  for await (const event of iterate(client.events(succeeded))) {
    if (event.type === "succeeded" && (jobs += 1) === 2) break;
  }
  return jobs;
})();

// A stream as a signal: it fires with the first value. `fetch` takes one, too.
const lastDone = toSignal(
  client.events({ ...succeeded, source: "Cy" }).pipe(filter(({ type }) => type === "succeeded")),
);
const subtask = setTimeout(60_000, "overslept", { signal: lastDone }).catch(() => "ended with the job of Cy");
await firstValueFrom(client.events(succeeded).pipe(filter(({ type }) => type === "listening")));

// A worker is a loop over its events, and a signal drains it: then the loop ends by itself.
for (const source of ["Ada", "Bob", "Cy"]) await client.enqueue("greet", null, { source });
const stop = new AbortController();
const handlers = { greet: () => undefined };
for await (const event of iterate(
  client.worker({ handlers, concurrency: 1, stop$: fromSignal(stop.signal) }),
)) {
  if (event.type !== "succeeded") continue;
  console.log(`${event.job.source} is greeted`);
  if (event.job.source === "Cy") stop.abort();
}
console.log("the worker has drained");
console.log(`the other loop was left after ${await counted} jobs`);
console.log(`the subtask ${await subtask}`);

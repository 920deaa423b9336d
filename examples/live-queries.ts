/**
 * Live queries: depth, active jobs, workers and failed jobs, each now and at every change.
 *
 * ```text
 * nothing waits
 * 3 pending
 * 1 active, held by mill
 * 1 failed: no rye
 * workers left: 0
 * ```
 */
import { filter, firstValueFrom, map } from "rxjs";
import type { Observable } from "rxjs";
import { createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_live",
  jobs: { mill: payload<{ sacks: number }>() },
  logger: false,
});
await client.migrate();

/** The first value for which there is something to say. */
const first = <T>(value$: Observable<T>, say: (value: T) => string | undefined) =>
  firstValueFrom(
    value$.pipe(
      map(say),
      filter((line) => line !== undefined),
    ),
  );

console.log(await first(client.depth(), (depth) => (depth.length === 0 ? "nothing waits" : undefined)));
for (const sacks of [1, 2, 3]) await client.enqueue("mill", { sacks }, { maxAttempts: 1 });
const pending = await first(client.depth(), (depth) =>
  depth.some(({ state, count }) => state === "pending" && count === 3) ? "3 pending" : undefined,
);
console.log(pending);

let open = (): void => undefined;
const gate = new Promise<void>((resolve) => (open = resolve));
const worker = await client.spawnWorker({
  label: "mill",
  concurrency: 1,
  handlers: {
    mill: async ({ payload: { sacks } }) => {
      await gate;
      if (sacks === 2) throw new Error("no rye");
    },
  },
});
const active = await first(client.active(), ([job]) => job?.claimedBy);
console.log(`1 active, held by ${active}`);
open();
console.log(await first(client.failed(), ([job]) => job && `1 failed: ${job.errors.at(-1)?.message}`));
await worker.shutdown();
console.log(await first(client.workers(), (workers) => `workers left: ${workers.length}`));

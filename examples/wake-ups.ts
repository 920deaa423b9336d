/**
 * Wake-ups of your own, and an operator on all of them: this worker listens to nothing and polls once
 * an hour. What else the app hears of tells it to look, and what comes in a burst is one claim.
 *
 * ```text
 * woken: 1 claimed
 * woken 3 times in a moment: 3 claimed
 * ```
 */
import { Subject, debounceTime, filter, firstValueFrom } from "rxjs";
import { createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
const { connectionString } = server;
const jobs = { mill: payload<{ sacks: number }>() };
const options = { connectionString, schema: "example_wake_ups", jobs, logger: false } as const;
await using client = createClient(options);
// Stands for another process: what it enqueues is no news to the worker.
await using farmer = createClient(options);
await client.migrate();

/** A message of the farmer's, as of a web hook or a broker. */
const delivery$ = new Subject<string>();
const worker = await client.spawnWorker({
  handlers: { mill: () => undefined },
  listen: false,
  pollIntervalMs: 3_600_000,
  // Each value means: look for work.
  wakeup$: delivery$,
  // Claims wait for 100 ms of silence, so that what comes together is claimed together.
  stages: { wakeup: debounceTime(100) },
});
const claimed$ = worker.event$.pipe(filter((event) => event.type === "claimed"));

/** Enqueues so many jobs, sends as many messages, and answers with how many the next claim takes. */
async function deliver(count: number): Promise<number> {
  const claimed = firstValueFrom(claimed$);
  for (let sacks = 1; sacks <= count; sacks += 1) await farmer.enqueue("mill", { sacks });
  for (let message = 1; message <= count; message += 1) delivery$.next("sacks are here");
  return (await claimed).count;
}

console.log(`woken: ${await deliver(1)} claimed`);
console.log(`woken 3 times in a moment: ${await deliver(3)} claimed`);

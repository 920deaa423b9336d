/**
 * Draining when the process is told to end: what runs finishes, what has not begun is left for other
 * workers, and then the process exits by itself.
 *
 * ```text
 * 2 running, SIGTERM
 * draining, 2 running
 * finished
 * finished
 * drained, 0 interrupted, 0 leaked
 * 1 job left for the next worker
 * ```
 */
import { Subject, filter, firstValueFrom, take, toArray } from "rxjs";
import { createClient, payload, stopOnSignals } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_drain",
  jobs: { grind: payload<number>() },
  logger: false,
});
await client.migrate();
const running$ = new Subject<void>();
const finish$ = new Subject<void>();
const twoRun = firstValueFrom(running$.pipe(take(2), toArray()));

const worker = await client.spawnWorker({
  concurrency: 2,
  drainTimeoutMs: 10_000,
  handlers: {
    grind: async () => {
      const finished = firstValueFrom(finish$);
      running$.next();
      await finished;
      console.log("finished");
    },
  },
});
stopOnSignals(worker);
worker.event$.subscribe((event) => {
  if (event.type !== "draining") return;
  console.log(`draining, ${event.running} running`);
  finish$.next();
});

await client.enqueueMany([1, 2, 3].map((load) => ({ kind: "grind", payload: load })));
await twoRun;
console.log("2 running, SIGTERM");
process.kill(process.pid, "SIGTERM");

const { outcome, interrupted, leaked } = await worker.done;
console.log(`${outcome}, ${interrupted.length} interrupted, ${leaked.length} leaked`);
console.log(`${await client.pendingCount()} job left for the next worker`);

const next = client.worker({ handlers: { grind: () => undefined } });
await firstValueFrom(next.pipe(filter(({ type }) => type === "succeeded")));

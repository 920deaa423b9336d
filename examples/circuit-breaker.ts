/**
 * A circuit breaker as the capacity of a worker: while a service is down, jobs wait instead of
 * using up their attempts.
 *
 * ```text
 * closed: all may run
 * open: none may begin
 * half-open: one tries
 * open: none may begin
 * half-open: one tries
 * closed: all may run
 * 20 jobs done, 0 failed for good
 * ```
 */
import { Subject, filter, firstValueFrom, take, tap, toArray } from "rxjs";
import { circuitBreaker, createClient, payload } from "../src/index.ts";
import type { WorkerEvent } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_breaker",
  jobs: { charge: payload<{ order: number }>() },
  logger: false,
});
await client.migrate();

// The breaker needs the events of a worker that needs the breaker: the subject is there first.
const event$ = new Subject<WorkerEvent>();
let openings = 0;
const capacity$ = event$.pipe(
  circuitBreaker({ failures: 4, windowMs: 2_000, coolDownMs: 300 }),
  tap((capacity) => {
    if (capacity === true) console.log("closed: all may run");
    if (capacity === 1) console.log("half-open: one tries");
    if (capacity !== false) return;
    console.log("open: none may begin");
    openings += 1;
  }),
);
// The service is down until the breaker has opened twice.
const charge = () => (openings < 2 ? Promise.reject(new Error("503")) : "charged");
const backoff = { initialMs: 200, factor: 1 };
const worker = await client.spawnWorker({ capacity$, backoff, handlers: { charge } });
worker.event$.subscribe(event$);

const succeeded$ = event$.pipe(filter(({ type }) => type === "succeeded"));
const done = firstValueFrom(succeeded$.pipe(take(20), toArray()));
for (let order = 1; order <= 20; order += 1) await client.enqueue("charge", { order }, { maxAttempts: 6 });
const { length } = await done;
console.log(`${length} jobs done, ${(await client.listFailed()).length} failed for good`);

/**
 * The lag of the event loop as the capacity of a worker: while this process is busy with something
 * else, it takes no more jobs, and it goes on after a moment of calm.
 *
 * ```text
 * calm
 * busy
 * calm again, and 0 jobs have begun meanwhile
 * 10 jobs done
 * ```
 */
import { delay, distinctUntilChanged, filter, firstValueFrom, map, of, scan, share, switchMap } from "rxjs";
import { createClient, eventLoopLag, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_lag",
  jobs: { mill: payload<{ sack: number }>() },
  logger: false,
});
await client.migrate();

const calm$ = eventLoopLag({ intervalMs: 20 }).pipe(
  map((ms) => ms < 200),
  distinctUntilChanged(),
  switchMap((calm) => (calm ? of(true).pipe(delay(300)) : of(false))),
  distinctUntilChanged(),
  share(),
);
const until = (wanted: boolean) => firstValueFrom(calm$.pipe(filter((calm) => calm === wanted)));

const worker = await client.spawnWorker({ capacity$: calm$, handlers: { mill: () => of("flour") } });
let begun = 0;
worker.event$.subscribe(({ type }) => (begun += type === "attempt-started" ? 1 : 0));
const succeeded$ = worker.event$.pipe(filter(({ type }) => type === "succeeded"));
const done = firstValueFrom(
  succeeded$.pipe(
    scan((count) => count + 1, 0),
    filter((count) => count === 10),
  ),
);

await until(true);
console.log("calm");

const busy = until(false);
// Something else that holds the thread for half a second.
for (const end = performance.now() + 500; performance.now() < end;);
await busy;
console.log("busy");

for (let sack = 1; sack <= 10; sack += 1) void client.enqueue("mill", { sack });
const meanwhile = until(true).then(() => begun);
console.log(`calm again, and ${await meanwhile} jobs have begun meanwhile`);
console.log(`${await done} jobs done`);

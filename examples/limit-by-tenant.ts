/**
 * A stage of your own: at most one job of each tenant at a time, by `groupBy` and `mergeMap`.
 *
 * ```text
 * acme 1 begins
 * zeta 3 begins
 * acme 1 ends
 * acme 2 begins
 * zeta 3 ends
 * acme 2 ends
 * ```
 */
import { filter, groupBy, lastValueFrom, map, mergeMap, take, tap, timer } from "rxjs";
import { createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_tenants",
  jobs: { report: payload<{ n: number; takesMs: number }>() },
  logger: false,
});
await client.migrate();
await client.enqueueMany([
  { kind: "report", payload: { n: 1, takesMs: 100 }, source: "acme" },
  { kind: "report", payload: { n: 2, takesMs: 300 }, source: "acme" },
  { kind: "report", payload: { n: 3, takesMs: 250 }, source: "zeta" },
]);

const worker = await client.spawnWorker({
  concurrency: 10,
  stages: {
    dispatch: (run) => (job$) =>
      job$.pipe(
        groupBy((job) => job.source),
        mergeMap((tenant$) => tenant$.pipe(mergeMap(run, 1))),
      ),
  },
  handlers: {
    report: ({ source, payload: { n, takesMs } }) => {
      const say = (what: string): void => console.log(`${source} ${n} ${what}`);
      return timer(takesMs).pipe(
        tap({ subscribe: () => say("begins"), next: () => say("ends") }),
        map(() => undefined),
      );
    },
  },
});
await lastValueFrom(
  worker.event$.pipe(
    filter(({ type }) => type === "succeeded"),
    take(3),
  ),
);
await worker.shutdown();

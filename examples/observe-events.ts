/**
 * The worker's events as a stream: typed by `type`, filtered and folded with operators.
 *
 * ```text
 * 25 % of report
 * 50 % of report
 * 100 % of report
 * mail failed: no such address
 * succeeded 4, failed 1
 * claimed, attempt-started, progress, succeeded, failed, draining, drained, exited
 * ```
 */
import { concat, filter, lastValueFrom, of, scan, share, takeWhile, toArray } from "rxjs";
import { createClient, payload, PermanentError } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_events",
  jobs: { report: payload<null>(), mail: payload<{ to: string }>() },
  logger: false,
});
await client.migrate();

const worker = await client.spawnWorker({
  concurrency: 1,
  listen: false,
  progressIntervalMs: 0,
  handlers: {
    report: () => concat(of(25), of(50), of(100)),
    mail: (job) => {
      if (!job.payload.to.includes("@")) throw new PermanentError("no such address");
    },
  },
});
const event$ = worker.event$.pipe(share());
event$.subscribe((event) => {
  if (event.type === "progress") console.log(`${String(event.value)} % of ${event.job.kind}`);
  if (event.type === "failed") console.log(`${event.job.kind} failed: ${event.error.message}`);
});
const counts = lastValueFrom(
  event$.pipe(
    filter(({ type }) => type === "succeeded" || type === "failed"),
    scan((n, { type }) => ({ ...n, [type]: n[type as keyof typeof n] + 1 }), { succeeded: 0, failed: 0 }),
    takeWhile(({ succeeded, failed }) => succeeded + failed < 5, true),
  ),
);
const types = lastValueFrom(event$.pipe(toArray())).then((all) => all.map(({ type }) => type));

await client.enqueue("report", null);
for (const name of ["ada@", "bob", "cy@", "di@"]) await client.enqueue("mail", { to: name });
const { succeeded, failed } = await counts;
console.log(`succeeded ${succeeded}, failed ${failed}`);
await worker.shutdown();
console.log([...new Set(await types)].join(", "));

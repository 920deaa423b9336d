/**
 * Cancel: a job that waits ends at once, one that runs has its signal aborted, in whatever process.
 *
 * ```text
 * the letter had not begun
 * the crawl runs: told to end
 * the crawl stops: no need for it any more
 * failed, and marked as cancelled: crawl, letter
 * ```
 */
import { filter, firstValueFrom } from "rxjs";
import { createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_cancel",
  jobs: { crawl: payload<null>(), letter: payload<null>() },
  logger: false,
});
await client.migrate();

let why = "";
const worker = await client.spawnWorker({
  handlers: {
    crawl: (_job, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          why = (signal.reason as Error).message;
          reject(new Error("stopped"));
        });
      }),
  },
});
const begun = firstValueFrom(worker.event$.pipe(filter(({ type }) => type === "attempt-started")));
const ended = firstValueFrom(worker.event$.pipe(filter(({ type }) => type === "cancelled")));
const crawl = await client.enqueue("crawl", null);
await client.enqueue("letter", null, { delayMs: 60_000, source: "customer 7" });
await begun;

if ((await client.cancel({ source: "customer 7" })).ended.length === 1)
  console.log("the letter had not begun");
const { requested } = await client.cancel(crawl, "no need for it any more");
if (requested.includes(crawl)) console.log("the crawl runs: told to end");
await ended;
console.log(`the crawl stops: ${why}`);

const failed = await client.listFailed();
const cancelled = failed.filter((job) => job.cancelled).map(({ kind }) => kind);
console.log(`failed, and marked as cancelled: ${cancelled.toSorted().join(", ")}`);
await worker.shutdown();

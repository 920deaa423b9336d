/**
 * Events of all workers of a schema, wherever they run: live, and from where you stopped.
 *
 * ```text
 * live: report for Ada succeeded on mill-1
 * live: mail to nowhere failed on mill-1: no such address
 * while away: report for Bob succeeded on mill-1
 * then live: report for Cy succeeded on mill-1
 * ```
 */
import { filter, firstValueFrom, tap } from "rxjs";
import type { Observable } from "rxjs";
import { PermanentError, createClient, payload } from "../src/index.ts";
import type { ClusterEvent } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
const jobs = { report: payload<null>(), mail: payload<null>() };
const options = { connectionString: server.connectionString, schema: "example_cluster", jobs } as const;
// Each of these could be in a process of its own.
await using mill = createClient({ ...options, logger: false });
await using board = createClient({ ...options, logger: false });
await mill.migrate();
await mill.spawnWorker({
  label: "mill-1",
  handlers: {
    report: () => "a long text",
    mail: () => Promise.reject(new PermanentError("no such address")),
  },
});

/** Acts once the stream listens, and resolves to the cursor of the first job that ends. */
async function next(event$: Observable<ClusterEvent>, when: string, act?: () => Promise<unknown>) {
  const ended$ = event$.pipe(
    tap(({ type }) => void (type === "listening" && act?.())),
    filter((event) => event.type === "succeeded" || event.type === "failed"),
  );
  const event = await firstValueFrom(ended$);
  const { kind, source } = event.job;
  const why = event.type === "failed" ? `: ${event.error.message}` : "";
  console.log(`${when}: ${kind} ${source} ${event.type} on ${event.worker.label}${why}`);
  return event.cursor;
}

const report = (source: string) => () => mill.enqueue("report", null, { keepResultMs: 60_000, source });
const types = ["succeeded", "failed"] as const;
const first = await next(board.events({ types, from: "now" }), "live", report("for Ada"));
await next(board.events({ types }), "live", () => mill.enqueue("mail", null, { source: "to nowhere" }));

// Nobody listens now. What keeps its result can be read later, from the cursor of what was seen.
await report("for Bob")();
const second = await next(board.events({ types, from: first }), "while away");
await next(board.events({ types, from: second }), "then live", report("for Cy"));

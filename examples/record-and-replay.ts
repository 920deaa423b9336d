/**
 * A real run, kept as a fixture, and played again in virtual time: what your app makes of events is
 * tested with what has happened.
 *
 * ```text
 * recorded as arafD
 * replayed in virtual time: 1 alarm, for mill
 * ```
 */
import { Subject, filter, lastValueFrom, map, tap } from "rxjs";
import type { Observable } from "rxjs";
import { createClient, payload } from "../src/index.ts";
import type { WorkerEvent } from "../src/index.ts";
import { marbles, record, replay } from "../src/testing/index.ts";
import type { Fixture } from "../src/testing/index.ts";
import { openServer } from "./open-server.ts";

/** What is to be tested: tells of jobs that failed for good. */
const alarm = (event$: Observable<WorkerEvent>): Observable<string> =>
  event$.pipe(
    filter((event) => event.type === "failed"),
    map(({ job }) => job.kind),
  );

async function realRun(): Promise<string> {
  await using server = await openServer();
  await using client = createClient({
    connectionString: server.connectionString,
    schema: "example_record",
    jobs: { mill: payload<null>() },
    logger: false,
  });
  await client.migrate();
  await client.enqueue("mill", null, { maxAttempts: 2, backoff: { initialMs: 50 } });
  const stop$ = new Subject<void>();
  const event$ = client
    .worker({ handlers: { mill: () => Promise.reject(new Error("no rye")) }, stop$ })
    .pipe(tap(({ type }) => void (type === "failed" && stop$.next())));
  return JSON.stringify(await lastValueFrom(record(event$))); // keep it in a file beside the test
}

const file = await realRun();
const { marbles: recorded } = JSON.parse(file) as Fixture;
// Without the times, which differ from run to run: attempt-started, retry-scheduled, …, Drained.
console.log(`recorded as ${recorded.replaceAll(/\d+m?s|[^a-zA-Z]/gu, "")}`);

const alarms: string[] = [];
marbles(({ expectEvents }) => {
  const event$ = replay(JSON.parse(file));
  alarm(event$).subscribe((kind) => void alarms.push(kind));
  expectEvents(event$).toBe(recorded); // each event, at the moment when it came
});
console.log(`replayed in virtual time: ${alarms.length} alarm, for ${alarms.join()}`);

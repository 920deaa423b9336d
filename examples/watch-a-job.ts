/**
 * One job from outside: what happens to it, a second attempt that goes on where the first one
 * stopped, and its result.
 *
 * ```text
 * it is pending
 * attempt 1 began
 * copied 1
 * copied 2
 * the disk was full
 * attempt 2 began
 * copied 3
 * copied 4
 * it is completed
 * the result is 4
 * ```
 */
import { concatMap, filter, firstValueFrom, lastValueFrom, map, range, tap, throwError, timer } from "rxjs";
import { createClient, payload } from "../src/index.ts";
import type { JobEvent } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
const { connectionString } = server;
const jobs = { copy: payload<{ files: number }>() };
await using client = createClient({ connectionString, schema: "example_watch", jobs, logger: false });
await client.migrate();
const id = await client.enqueue("copy", { files: 4 }, { backoff: { initialMs: 50 }, keepResultMs: 60_000 });

const say = (event: JobEvent) => {
  if (event.type === "attempt-started") console.log(`attempt ${event.job.attempt} began`);
  if (event.type === "progress") console.log(`copied ${String(event.value)}`);
  if (event.type === "retry-scheduled") console.log(event.error.message);
};
const ended = lastValueFrom(
  client.watch(id).pipe(
    tap(({ events }) => events.forEach(say)),
    filter(({ state }) => state === "pending" || state === "completed"),
    tap(({ state }) => console.log(`it is ${state}`)),
  ),
);
await firstValueFrom(client.events().pipe(filter(({ type }) => type === "listening")));

await using _worker = await client.spawnWorker({
  progressIntervalMs: 0,
  handlers: {
    copy: ({ payload: { files }, attempt, lastProgress }) => {
      const done = Number(lastProgress ?? 0);
      return range(done + 1, files - done).pipe(
        concatMap((file) => timer(30).pipe(map(() => file))),
        concatMap((file) =>
          attempt === 1 && file === 3 ? throwError(() => new Error("the disk was full")) : [file],
        ),
      );
    },
  },
});
await ended;
console.log(`the result is ${String(await client.result(id))}`);

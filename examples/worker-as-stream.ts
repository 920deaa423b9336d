/**
 * A worker as a part of a pipeline of your own: a source with back-pressure goes in, the results
 * come out as a stream, and the last result drains the worker.
 *
 * ```text
 * sum of 1 to 100: 5050
 * sum of 101 to 200: 15050
 * sum of 201 to 300: 25050
 * ```
 */
import {
  Subject,
  bufferCount,
  concatMap,
  filter,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  range,
  tap,
  toArray,
} from "rxjs";
import { createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_stream",
  jobs: { sum: payload<{ numbers: number[] }>() },
  logger: false,
});
await client.migrate();

const stop$ = new Subject<void>();
let left = 3;

// In: numbers, a hundred a job, the next batch when the last one is durable.
const enqueued$ = range(1, 300).pipe(
  bufferCount(100),
  concatMap((numbers) => client.enqueue("sum", { numbers })),
  ignoreElements(),
);

// Out: results. The first value of `stop$` drains the worker.
const result$ = client.worker({ stop$, handlers: { sum: (job) => addUp(job.payload.numbers) } }).pipe(
  filter((event) => event.type === "succeeded"),
  map(({ result }) => String(result)),
  tap(() => (left -= 1) === 0 && stop$.next()),
);

const results = await lastValueFrom(merge(enqueued$, result$).pipe(toArray()));
console.log(results.toSorted().join("\n"));

async function addUp(numbers: number[]): Promise<string> {
  const sum = numbers.reduce((all, number) => all + number, 0);
  return `sum of ${numbers[0]} to ${numbers.at(-1)}: ${sum}`;
}

import { NEVER, ReplaySubject, delay, from, lastValueFrom, toArray } from "rxjs";
import { describe, expect, it } from "vitest";
import type { Store } from "../../src/core/store.ts";
import { statements } from "../../src/postgres/statements.ts";
import { enqueueIn } from "../../src/postgres/transaction.ts";
import { resolveSettings } from "../../src/settings.ts";
import type { Handler } from "../../src/stages/handler.ts";
import { workerStream } from "../../src/worker-stream.ts";
import { newJob } from "../contract/bench.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {}

describe("a job before the mark", () => {
  it("begins when its enqueue commits after claims have passed its id, in a queue that never runs dry", async () => {
    const store = database.store();
    const client = await database.client();
    await client.query("begin");
    const [entered] = await enqueueIn(client, statements("millrace"), [newJob({ source: "late" })]);
    await store.enqueue(Array.from({ length: 500 }, () => newJob()));

    const passed: string[] = [];
    // Claims from the first place take longer, as they do where they step over many dead rows.
    const around: Store = {
      ...store,
      claim: (request) => {
        const { after } = request;
        if (after === undefined) return from(store.claim(request)).pipe(delay(20));
        if (passed.push(after.id) === 1) void client.query("commit");
        return store.claim(request);
      },
    };
    const shutdown$ = new ReplaySubject<void>(1);
    let fed = 500;
    // Each job leaves another one behind it, until the late one is there.
    const handler: Handler = async ({ source }) => {
      if (source === "late") shutdown$.next();
      else fed += (await lastValueFrom(from(store.enqueue([newJob()])))).length;
    };
    const event$ = workerStream({
      store: around,
      settings: resolveSettings({ label: "test", concurrency: 1, pollIntervalMs: 60_000 }),
      kinds: ["mill"],
      maxAttempts: 3,
      notify$: NEVER,
      handlers: { handlerOf: () => handler, prepare: (job) => job, logOf: () => log },
      completeIn: () => Promise.resolve(false),
      shutdown$,
      abort$: NEVER,
      isFatal: () => true,
      random: () => 0,
    });
    const heard = await lastValueFrom(event$.pipe(toArray()));
    expect(BigInt(passed[0] ?? 0)).toBeGreaterThan(BigInt(entered?.id ?? 0));
    expect(heard.filter((event) => event.type === "succeeded" && event.job.source === "late")).toHaveLength(
      1,
    );
    expect(fed).toBeGreaterThan(500);
  });
});

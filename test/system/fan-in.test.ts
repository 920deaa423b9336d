import { describe, expect, it } from "vitest";
import { payload } from "../../src/index.ts";
import type { AttemptContext, Job } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

const jobs = { parent: payload<number>(), child: payload<number>() };

const ROUNDS = 1_000;

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

/** Meets the sibling: resolves for both when both have come, so that they end at the same instant. */
function meetings(): (round: number) => Promise<void> {
  const waiting = new Map<number, () => void>();
  return (round) =>
    new Promise((resolve) => {
      const sibling = waiting.get(round);
      waiting.delete(round);
      if (sibling === undefined) waiting.set(round, resolve);
      else {
        sibling();
        resolve();
      }
    });
}

describe("after", () => {
  it(`runs a child exactly once, ${ROUNDS} times, whose parents end at the same instant in two workers`, async () => {
    const meet = meetings();
    const runs = new Map<number, number>();
    const handlers = {
      parent: async (job: Job<"parent", number>) => meet(job.payload),
      child: (job: Job<"child", number>) => void runs.set(job.payload, (runs.get(job.payload) ?? 0) + 1),
    };
    const client = open();
    // Each worker has one queue, so that the siblings of a round are in different workers.
    const workers = ["left", "right"].map((queue) =>
      record(open().worker({ queues: [queue], concurrency: 20, handlers })),
    );
    const rounds = Array.from({ length: ROUNDS }, (_, round) => round);
    // In one transaction, so that no parent is claimed before its child is there.
    const tx = await database.client();
    await tx.query("begin");
    const parents = async (queue: string): Promise<readonly string[]> =>
      client.enqueueMany(
        rounds.map((round) => ({ kind: "parent", payload: round, queue }) as const),
        { tx },
      );
    const [left, right] = [await parents("left"), await parents("right")];
    await client.enqueueMany(
      rounds.map((round) => {
        const after = [String(left[round]), String(right[round])];
        return { kind: "child", payload: round, after, queue: round % 2 === 0 ? "left" : "right" } as const;
      }),
      { tx },
    );
    await tx.query("commit");
    // A parent of each round, and the child of every other.
    const share = 1.5 * ROUNDS;
    await Promise.all(workers.map(async ({ until, all }) => until(() => all("succeeded").length === share)));
    expect(runs.size).toBe(ROUNDS);
    expect([...runs.values()].every((count) => count === 1)).toBe(true);
    const { rows } = await database.pool.query(
      "select (select count(*)::int from millrace.jobs) as jobs, (select count(*)::int from millrace.dependencies) as links",
    );
    expect(rows).toEqual([{ jobs: 0, links: 0 }]);
  }, 60_000);

  it("runs a child once whose parents complete in transactions of their handlers", async () => {
    const meet = meetings();
    const complete = async (job: Job<"parent", number>, context: AttemptContext): Promise<void> => {
      const tx = await database.pool.connect();
      try {
        await tx.query("begin");
        await meet(job.payload);
        await context.complete(tx);
        await tx.query("commit");
      } finally {
        tx.release();
      }
    };
    const heard = record(
      open().worker({ concurrency: 6, handlers: { parent: complete, child: (job) => [job.payload] } }),
    );
    const client = open();
    const count = 30;
    for (let round = 0; round < count; round += 1) {
      const pair = [1, 2].map(() => ({ kind: "parent", payload: round }) as const);
      const after = await client.enqueueMany(pair);
      await client.enqueue("child", round, { after });
    }
    await heard.until(() => heard.all("succeeded").length >= 3 * count);
    const results = heard
      .all("succeeded")
      .flatMap(({ job, result }) => (job.kind === "child" ? [Number(result)] : []));
    expect(results.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, round) => round));
  });
});

import { describe, expect, it } from "vitest";
import { payload } from "../../src/index.ts";
import type { Client } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import type { Recording } from "../support/recording.ts";

const database = usePostgres();

const jobs = { extract: payload<unknown>(), embed: payload<unknown>() };

type Jobs = typeof jobs;

function open(): Client<Jobs> {
  return openClient({ connectionString: database.connectionString, jobs });
}

/** A client with failed jobs, one after the other, and a worker of another client that lets jobs pass when told to. */
async function withFailed(kinds: readonly (keyof Jobs)[]): Promise<{
  readonly client: Client<Jobs>;
  readonly ids: readonly string[];
  readonly heard: Recording<keyof Jobs>;
  readonly mend: () => void;
}> {
  const client = open();
  let broken = true;
  const work = (): void => {
    if (broken) throw new Error("broken");
  };
  const handlers = { extract: work, embed: work };
  const heard = record(open().worker({ pollIntervalMs: 30_000, backoff: { initialMs: 1 }, handlers }));
  await heard.first("listen-restored");
  const ids: string[] = [];
  for (const kind of kinds) {
    const id = await client.enqueue(kind, "payload marker", { maxAttempts: 2, source: `source of ${kind}` });
    await heard.first("failed", ({ job }) => job.id === id);
    ids.push(id);
  }
  return { client, ids, heard, mend: () => (broken = false) };
}

async function states(): Promise<Readonly<Record<string, string>>> {
  const { rows } = await database.pool.query<{ id: string; state: string }>(
    "select id::text, state from millrace.jobs",
  );
  return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
}

describe("listFailed", () => {
  it("lists the newest first, as many as are asked for, without payloads", async () => {
    const { client, ids } = await withFailed(["extract", "embed", "extract"]);
    const failed = await client.listFailed();
    expect(failed.map(({ id }) => id)).toEqual([...ids].reverse());
    expect((await client.listFailed(2)).map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    expect(failed[1]).toEqual({
      id: ids[1],
      kind: "embed",
      queue: "default",
      source: "source of embed",
      attempt: 2,
      maxAttempts: 2,
      crashes: 0,
      reason: "Error: broken",
      cancelled: false,
      errors: [1, 2].map((attempt) => ({
        attempt,
        name: "Error",
        message: "broken",
        stack: expect.stringContaining("Error: broken") as unknown,
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/u) as unknown,
      })),
      enqueuedAt: expect.any(Date) as unknown,
      failedAt: expect.any(Date) as unknown,
    });
    expect(JSON.stringify(failed)).not.toContain("payload");
  });

  it("is empty where nothing failed", async () => {
    expect(await open().listFailed()).toEqual([]);
  });
});

describe("retryJob", () => {
  it("gives a failed job all its attempts again and wakes an idle worker", async () => {
    const { client, ids, heard, mend } = await withFailed(["extract"]);
    mend();
    expect(await client.retryJob(String(ids[0]))).toBe(true);
    expect((await heard.first("succeeded")).job).toMatchObject({ id: ids[0], attempt: 1, maxAttempts: 2 });
  });

  it("keeps the errors from before when it fails again", async () => {
    const { client, ids, heard } = await withFailed(["extract"]);
    await client.retryJob(String(ids[0]));
    await heard.until(() => heard.all("failed").length === 2);
    expect((await client.listFailed())[0]?.errors.map(({ attempt }) => attempt)).toEqual([1, 2, 1, 2]);
  });

  it("answers false for a job that is not failed, and leaves it alone", async () => {
    const client = open();
    const id = await client.enqueue("extract", null, { delayMs: 60_000 });
    expect(await client.retryJob(id)).toBe(false);
    expect(await client.retryJob("1234567890")).toBe(false);
    expect(await states()).toEqual({ [id]: "scheduled" });
  });
});

describe("bulkRetry", () => {
  it("only counts in a dry run", async () => {
    const { client, ids } = await withFailed(["extract", "embed", "extract"]);
    expect(await client.bulkRetry(undefined, { dryRun: true })).toBe(3);
    expect(await client.bulkRetry("extract", { dryRun: true })).toBe(2);
    expect(await states()).toEqual(Object.fromEntries(ids.map((id) => [id, "failed"])));
  });

  it("retries those of a kind, wakes an idle worker, and leaves the others", async () => {
    const { client, ids, heard, mend } = await withFailed(["extract", "embed", "extract"]);
    mend();
    expect(await client.bulkRetry("extract")).toBe(2);
    await heard.until(() => heard.all("succeeded").length === 2);
    expect(await states()).toEqual({ [String(ids[1])]: "failed" });
    expect(await client.bulkRetry()).toBe(1);
    await heard.until(() => heard.all("succeeded").length === 3);
    expect(await client.bulkRetry()).toBe(0);
  });
});

describe("deleteFailed", () => {
  it("deletes one, and those that waited for it run", async () => {
    const { client, ids, heard, mend } = await withFailed(["extract", "embed"]);
    const child = await client.enqueue("embed", null, { after: [String(ids[0])] });
    mend();
    expect(await client.deleteFailed(String(ids[0]))).toBe(true);
    expect((await heard.first("succeeded")).job.id).toBe(child);
    expect(await client.deleteFailed(String(ids[0]))).toBe(false);
    expect(await states()).toEqual({ [String(ids[1])]: "failed" });
  });

  it("answers false for a job that is not failed, and leaves it alone", async () => {
    const client = open();
    const id = await client.enqueue("extract", null);
    expect(await client.deleteFailed(id)).toBe(false);
    expect(await states()).toEqual({ [id]: "pending" });
  });
});

describe("pendingCount", () => {
  it("counts what may run now", async () => {
    const client = open();
    expect(await client.pendingCount()).toBe(0);
    const [parent = ""] = await client.enqueueMany(
      [1, 2, 3].map((n) => ({ kind: "extract", payload: n }) as const),
    );
    await client.enqueue("embed", null, { delayMs: 60_000 });
    await client.enqueue("embed", null, { after: [parent] });
    expect(await client.pendingCount()).toBe(3);
  });
});

import { afterEach, describe, expect, it, vi } from "vitest";
import { payload } from "../../src/index.ts";
import { channelOf, readHint } from "../../src/postgres/channel.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each([-600_000, 600_000])("enqueueing with a clock that is %s ms ahead", (aheadMs) => {
  it.each([
    ["", {}],
    [" and a key", { key: "stone" }],
  ])("tells workers when a job with a moment%s is due, by the database's clock", async (_, options) => {
    const client = openClient({
      connectionString: database.connectionString,
      jobs: { mill: payload<unknown>() },
    });
    const listener = await database.client();
    const heard: unknown[] = [];
    listener.on("notification", (message) => heard.push(readHint(message.payload ?? "")));
    await listener.query(`listen "${channelOf("millrace")}"`);
    const runAt = new Date(Date.now() + 60_000);
    vi.spyOn(Date, "now").mockImplementation(() => performance.timeOrigin + performance.now() + aheadMs);
    await client.enqueue("mill", null, { runAt, ...options });
    await listener.query("begin");
    await client.enqueue("mill", null, { runAt, tx: listener });
    await listener.query("commit");
    await vi.waitFor(() => expect(heard).toHaveLength(2));
    for (const hint of heard) {
      expect(hint).toMatchObject({ queue: "default", dueInMs: expect.any(Number) as unknown });
      const { dueInMs } = hint as { readonly dueInMs: number };
      expect(dueInMs).toBeGreaterThan(30_000);
      expect(dueInMs).toBeLessThanOrEqual(60_000);
    }
  });
});

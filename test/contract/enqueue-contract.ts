import { describe, expect, it } from "vitest";
import { idsOf, newJob } from "./bench.ts";
import type { Open } from "./bench.ts";

/** What `enqueue` writes, and where. */
export function enqueueContract(open: Open): void {
  describe("enqueue", () => {
    it("answers with the ids in the order of the jobs", async () => {
      const bench = await open();
      const ids = await bench.addAll([{ priority: 9 }, { priority: 1 }, { priority: 5 }]);
      const claimed = await bench.claim(await bench.worker());
      expect(claimed.map(({ id, priority }) => [priority, id])).toEqual([
        [1, ids[1]],
        [5, ids[2]],
        [9, ids[0]],
      ]);
    });

    it("gives ids that grow from call to call", async () => {
      const bench = await open();
      const ids = [await bench.add(), await bench.add(), ...(await bench.addAll([{}, {}]))];
      const numbers = ids.map(BigInt);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => (a < b ? -1 : 1)));
    });

    it("writes nothing for no jobs", async () => {
      const bench = await open();
      expect(await bench.addAll([])).toEqual([]);
      expect(await bench.pendingCount()).toBe(0);
    });

    it("writes all jobs or none", async () => {
      const bench = await open();
      await expect(bench.addAll([{}, { payload: '{"not json' }, {}])).rejects.toThrow();
      expect((await bench.states()).size).toBe(0);
    });

    it("hands everything over at the claim", async () => {
      const bench = await open();
      const backoff = { initialMs: 250, factor: 1.5, maxMs: 60_000, jitter: 0.25 };
      const told = {
        priority: -7,
        maxAttempts: 8,
        source: "turn:42",
        timeoutMs: 1500,
        backoff,
        keepResultMs: 2500,
      };
      const id = await bench.add({ ...told, payload: '{"turn":42}' });
      const job = await bench.claimOne(await bench.worker());
      expect(job).toEqual({
        id,
        kind: "mill",
        queue: "default",
        payload: { turn: 42 },
        ...told,
        attempt: 1,
        crashes: 0,
        token: 1,
        enqueuedAt: expect.any(Date),
        waitMs: expect.any(Number),
        lastProgress: undefined,
      });
      expect(job.enqueuedAt.getTime()).toBeGreaterThan(0);
      expect(job.waitMs).toBeGreaterThanOrEqual(0);
    });

    it("hands over `undefined` for what was not told", async () => {
      const bench = await open();
      await bench.add();
      const { source, timeoutMs, backoff, keepResultMs } = await bench.claimOne(await bench.worker());
      expect([source, timeoutMs, backoff, keepResultMs]).toEqual(Array(4).fill(undefined));
    });

    it.each([
      "null",
      "0",
      "-0.5",
      "true",
      '"text"',
      "[]",
      '{"a":[1,{"b":null}],"":"\\u20ac \\ud83c\\udf3e"}',
      `"${"x".repeat(100_000)}"`,
    ])("keeps the payload %.40s", async (payload) => {
      const bench = await open();
      await bench.add({ payload });
      const job = await bench.claimOne(await bench.worker());
      expect(job.payload).toEqual(JSON.parse(payload));
    });

    it("keeps a payload that its handler changes", async () => {
      const bench = await open();
      await bench.add({ payload: '{"grain":["rye"]}' });
      const workerId = await bench.worker();
      const job = await bench.claimOne(workerId);
      (job.payload as { grain: string[] }).grain.push("sand");
      await bench.release(workerId, [job]);
      expect((await bench.claimOne(workerId)).payload).toEqual({ grain: ["rye"] });
    });

    it.each([
      ["a delay", { delayMs: 60_000 }],
      ["a moment to come", { runAt: new Date(Date.now() + 3_600_000) }],
    ])("makes a job with %s scheduled", async (_, when) => {
      const bench = await open();
      const id = await bench.add(when);
      expect(await bench.state(id)).toBe("scheduled");
      expect(await bench.claim(await bench.worker())).toEqual([]);
    });

    it("makes a job whose moment is past pending", async () => {
      const bench = await open();
      const id = await bench.add({ runAt: new Date(Date.now() - 60_000) });
      expect(await bench.state(id)).toBe("pending");
    });

    it("takes the moment rather than the delay", async () => {
      const bench = await open();
      const id = await bench.add({ delayMs: 60_000, runAt: new Date(Date.now() - 60_000) });
      expect(await bench.state(id)).toBe("pending");
    });

    it("tells in how many milliseconds each job is due", async () => {
      const bench = await open();
      const soon = new Date(Date.now() + 60_000);
      const [atOnce, delayed, timed, past] = await bench.enqueue([
        {},
        { delayMs: 1_500 },
        { runAt: soon },
        { runAt: new Date(0) },
      ]);
      expect([atOnce?.dueInMs, delayed?.dueInMs]).toEqual([0, 1_500]);
      expect(timed?.dueInMs).toBeGreaterThan(30_000);
      expect(timed?.dueInMs).toBeLessThanOrEqual(60_000);
      expect(past?.dueInMs).toBeLessThanOrEqual(0);
    });

    it("keeps jobs of calls at the same moment apart", async () => {
      const bench = await open();
      const calls = Array.from({ length: 20 }, () => bench.addAll([newJob(), newJob()]));
      const ids = (await Promise.all(calls)).flat();
      expect(new Set(ids).size).toBe(40);
      expect(new Set(idsOf(await bench.claim(await bench.worker())))).toEqual(new Set(ids));
    });
  });
}

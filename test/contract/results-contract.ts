import { describe, expect, it } from "vitest";
import { FAILED, idsOf, kept, retried, SUCCEEDED } from "./bench.ts";
import type { Bench, Open } from "./bench.ts";

/** Which results are kept, for how long, and what a job is that has one. */
export function resultsContract(open: Open): void {
  describe("a job that keeps its result", () => {
    it("is completed when it succeeds, with what its handler resulted in", async () => {
      const bench = await open();
      const id = await bench.add({ keepResultMs: 60_000, source: "turn:7" });
      const settled = await succeed(bench, { loaf: [1, null, "€"] });
      expect(settled).toEqual({ accepted: [id], completed: [], readyQueues: [], cancelled: [] });
      expect(await bench.state(id)).toBe("completed");
      const job = await bench.look(id);
      expect(job).toMatchObject({ state: "completed", result: { loaf: [1, null, "€"] }, attempt: 1 });
      expect(job).toMatchObject({ source: "turn:7", reason: undefined, cancelled: false });
      expect(job.endedAt?.getTime()).toBeGreaterThanOrEqual(job.enqueuedAt.getTime());
    });

    it.each([null, 0, false, "", "text", [], {}])("keeps the result %j", async (result) => {
      const bench = await open();
      const id = await bench.add({ keepResultMs: 60_000 });
      await succeed(bench, result);
      expect((await bench.look(id)).result).toEqual(result);
    });

    it("goes without a trace where no result is told", async () => {
      const bench = await open();
      await bench.add({ keepResultMs: 60_000 });
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], SUCCEEDED);
      expect((await bench.states()).size).toBe(0);
    });

    it("is neither pending nor failed nor claimed any more", async () => {
      const bench = await open();
      const id = await bench.add({ keepResultMs: 60_000 });
      await succeed(bench, 1);
      expect(await bench.pendingCount()).toBe(0);
      expect(await bench.claim(await bench.worker())).toEqual([]);
      expect(await bench.listFailed()).toEqual([]);
      expect(await bench.retryJob(id)).toBe(false);
      expect(await bench.deleteFailed(id)).toBe(false);
      expect(await bench.cancel({ ids: [id] })).toEqual({
        ended: [],
        requested: [],
        readyQueues: [],
      });
      expect(await bench.state(id)).toBe("completed");
    });

    it("keeps the errors of the attempts before, and its attempts", async () => {
      const bench = await open();
      const id = await bench.add({ keepResultMs: 60_000 });
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], retried(0));
      await succeed(bench, 1);
      const job = await bench.look(id);
      expect(job).toMatchObject({ attempt: 2, crashes: 0 });
      expect(job.errors).toMatchObject([{ name: "JamError", attempt: 1 }]);
    });

    it("starts its children, and those that come later do not wait", async () => {
      const bench = await open();
      const parent = await bench.add({ keepResultMs: 60_000 });
      const child = await bench.add({ after: [parent], queue: "bakery" });
      expect((await succeed(bench, 1)).readyQueues).toEqual(["bakery"]);
      const later = await bench.addAll(
        (["wait", "run", "fail"] as const).map((afterFailure) => ({ after: [parent], afterFailure })),
      );
      const states = await bench.states();
      expect([child, ...later].map((id) => states.get(id))).toEqual(Array(4).fill("pending"));
    });

    it("is written in one call with jobs that end otherwise", async () => {
      const bench = await open();
      const ids = await bench.addAll([{ keepResultMs: 60_000 }, {}, { keepResultMs: 60_000 }, {}]);
      const workerId = await bench.worker();
      const outcomes = [kept("a"), SUCCEEDED, FAILED, kept("b")];
      const settlements = (await bench.claim(workerId)).map(({ id, token }, index) => ({
        id,
        token,
        outcome: outcomes[index] ?? SUCCEEDED,
      }));
      expect((await bench.settleAll(workerId, settlements)).accepted.toSorted()).toEqual(ids.toSorted());
      expect(await bench.states()).toEqual(
        new Map([
          [ids[0], "completed"],
          [ids[2], "failed"],
        ]),
      );
    });

    it("is refused with an older token, and keeps nothing", async () => {
      const bench = await open();
      const id = await bench.add({ keepResultMs: 60_000 });
      const workerId = await bench.worker();
      const old = await bench.claimOne(workerId);
      await bench.release(workerId, [old]);
      const job = await bench.claimOne(workerId);
      expect((await bench.settle(workerId, [old], kept("old"))).accepted).toEqual([]);
      expect((await bench.settle(workerId, [job], kept("new"))).accepted).toEqual([id]);
      expect((await bench.settle(workerId, [job], kept("again"))).accepted).toEqual([]);
      expect((await bench.look(id)).result).toBe("new");
    });

    it("keeps it when it is completed in a transaction, and is refused a second end", async ({ skip }) => {
      const bench = await open();
      if (bench.completeInTransaction === undefined) return skip("This store has no transactions");
      const parent = await bench.add({ keepResultMs: 60_000 });
      const child = await bench.add({ after: [parent] });
      const workerId = await bench.worker();
      const job = await bench.claimOne(workerId);
      const { token } = job;
      const stale = { id: parent, token: token - 1 };
      expect(await bench.completeInTransaction(workerId, stale, "1").catch(() => false)).toBe(false);
      expect(await bench.completeInTransaction(workerId, job, '{"loaf":1}')).toBe(true);
      expect((await bench.settle(workerId, [job], kept(2))).accepted).toEqual([]);
      expect(await bench.look(parent)).toMatchObject({ state: "completed", result: { loaf: 1 } });
      expect(await bench.state(child)).toBe("pending");
    });
  });

  describe("a job that keeps no result", () => {
    it("goes when it succeeds, whatever is told", async () => {
      const bench = await open();
      const child = await bench.add({ after: [await bench.add()] });
      expect((await succeed(bench, "loaf")).readyQueues).toEqual(["default"]);
      expect(await bench.states()).toEqual(new Map([[child, "pending"]]));
    });
  });

  describe("expireResults", () => {
    it("deletes results whose time is over, and leaves the others", async () => {
      const bench = await open();
      const [short, long] = await bench.addAll([{ keepResultMs: 1_000 }, { keepResultMs: 300_000 }]);
      await succeed(bench, 1);
      expect(await bench.expireResults()).toBe(0);
      await bench.elapse(2_000);
      expect(await bench.state(short ?? "")).toBe("completed");
      expect(await bench.expireResults()).toBe(1);
      expect(await bench.states()).toEqual(new Map([[long, "completed"]]));
      expect(idsOf(await bench.find([short ?? ""]))).toEqual([]);
    });

    it("deletes no more than its limit, the oldest first", async () => {
      const bench = await open();
      const times = [5_000, 1_000, 4_000, 2_000, 3_000];
      const ids = await bench.addAll(times.map((keepResultMs) => ({ keepResultMs })));
      await succeed(bench, 1);
      await bench.elapse(6_000);
      expect(await bench.expireResults(2)).toBe(2);
      expect([...(await bench.states()).keys()]).toEqual([ids[0], ids[2], ids[4]]);
      expect(await bench.expireResults(10)).toBe(3);
      expect(await bench.expireResults(10)).toBe(0);
    });

    it("deletes each once when many do at the same time", async () => {
      const bench = await open();
      await bench.addAll(Array.from({ length: 60 }, () => ({ keepResultMs: 1_000 })));
      await succeed(bench, 1);
      await bench.elapse(2_000);
      const counts = await Promise.all(Array.from({ length: 6 }, () => bench.expireResults(20)));
      const rest = await bench.expireResults();
      expect([...counts, rest].reduce((sum, count) => sum + count, 0)).toBe(60);
    });
  });
}

/** Claims what is pending and lets all of it succeed with one result. */
async function succeed(bench: Bench, result: unknown): ReturnType<Bench["settle"]> {
  const workerId = await bench.worker();
  return bench.settle(workerId, await bench.claim(workerId), kept(result));
}

import { describe, expect, it } from "vitest";
import { CANCELLED, FAILED, idsOf, JAMMED, newJob, RELEASED, retried, snoozed, SUCCEEDED } from "./bench.ts";
import type { Open, Written } from "./bench.ts";

const EVERY_OUTCOME: readonly (readonly [string, Written])[] = [
  ["succeeded", SUCCEEDED],
  ["retried", retried(0)],
  ["failed", FAILED],
  ["snoozed", snoozed(0)],
  ["released", RELEASED],
  ["cancelled", CANCELLED],
];

/** What `settle` writes for each outcome, and what it refuses. */
export function settleContract(open: Open): void {
  describe("settle", () => {
    it("removes a job that succeeded", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      const settled = await bench.settle(workerId, [await bench.claimOne(workerId)], SUCCEEDED);
      expect(settled).toEqual({ accepted: [id], completed: [], readyQueues: [], cancelled: [] });
      expect((await bench.states()).size).toBe(0);
    });

    it("keeps a job that failed among the failed", async () => {
      const bench = await open();
      const id = await bench.add({ source: "turn:7" });
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], FAILED);
      expect(await bench.state(id)).toBe("failed");
      const [job] = await bench.listFailed();
      expect(job).toMatchObject({ id, kind: "mill", queue: "default", source: "turn:7" });
      expect(job).toMatchObject({ attempt: 1, maxAttempts: 3, crashes: 0 });
      expect(job?.reason).toContain(JAMMED.message);
      expect(job?.errors).toMatchObject([{ ...JAMMED, attempt: 1 }]);
    });

    it("schedules a retry that has a delay, and counts it", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], retried(60_000));
      expect(await bench.state(id)).toBe("scheduled");
      await bench.elapse(60_001);
      await bench.promote();
      expect((await bench.claimOne(workerId)).attempt).toBe(2);
    });

    it("makes a retry without delay pending", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], retried(0));
      expect(await bench.state(id)).toBe("pending");
    });

    it("writes a retry even when the attempts are used up: deciding is not its task", async () => {
      const bench = await open();
      const id = await bench.add({ maxAttempts: 1 });
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], retried(0));
      expect(await bench.state(id)).toBe("pending");
    });

    it.each([
      [60_000, "scheduled"],
      [0, "pending"],
    ])("postpones a snooze of %i ms uncounted: %s", async (delayMs, state) => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], snoozed(delayMs));
      expect(await bench.state(id)).toBe(state);
      await bench.elapse(60_001);
      await bench.promote();
      expect(await bench.claimOne(workerId)).toMatchObject({ attempt: 1, token: 2 });
    });

    it("makes a released job pending, at the front, its attempt uncounted", async () => {
      const bench = await open();
      const [first] = await bench.addAll([{}, {}]);
      const workerId = await bench.worker();
      const settled = await bench.settle(workerId, [await bench.claimOne(workerId)], RELEASED);
      expect(settled.accepted).toEqual([first]);
      const again = await bench.claimOne(workerId);
      expect(again).toMatchObject({ id: first, attempt: 1, token: 2 });
    });

    it("keeps one error for each attempt, oldest first", async () => {
      const bench = await open();
      await bench.add();
      const workerId = await bench.worker();
      const first = { name: "JamError", message: "first", stack: "at the mill" };
      await bench.settle(workerId, [await bench.claimOne(workerId)], retried(0, first));
      await bench.settle(workerId, [await bench.claimOne(workerId)], snoozed(0));
      await bench.settle(workerId, [await bench.claimOne(workerId)], retried(0));
      await bench.settle(workerId, [await bench.claimOne(workerId)], FAILED);
      const [job] = await bench.listFailed();
      expect(job?.errors).toMatchObject([
        { ...first, attempt: 1 },
        { ...JAMMED, attempt: 2 },
        { ...JAMMED, attempt: 3 },
      ]);
      for (const { at } of job?.errors ?? []) {
        expect(at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)$/u);
        expect(Number.isNaN(Date.parse(at))).toBe(false);
      }
    });

    it("keeps the latest 50 errors", async () => {
      const bench = await open();
      await bench.add({ maxAttempts: 60 });
      const workerId = await bench.worker();
      for (let attempt = 1; attempt <= 52; attempt += 1) {
        const outcome = attempt === 52 ? FAILED : retried(0);
        await bench.settle(workerId, [await bench.claimOne(workerId)], outcome);
      }
      const [job] = await bench.listFailed();
      expect(job?.errors.map(({ attempt }) => attempt)).toEqual(
        Array.from({ length: 50 }, (_, index) => index + 3),
      );
    });

    it("writes different outcomes in one call", async () => {
      const bench = await open();
      const ids = await bench.addAll(EVERY_OUTCOME.map(() => ({})));
      const workerId = await bench.worker();
      const jobs = await bench.claim(workerId);
      const settlements = jobs.map(({ id, token }, index) => ({
        id,
        token,
        outcome: EVERY_OUTCOME[index]?.[1] ?? SUCCEEDED,
      }));
      const settled = await bench.settleAll(workerId, settlements.toReversed());
      expect(new Set(settled.accepted)).toEqual(new Set(ids));
      expect(await bench.states()).toEqual(
        new Map([
          [ids[1], "pending"],
          [ids[2], "failed"],
          [ids[3], "pending"],
          [ids[4], "pending"],
          [ids[5], "failed"],
        ]),
      );
    });

    it("does nothing for no settlements", async () => {
      const bench = await open();
      const settled = await bench.settleAll(await bench.worker(), []);
      expect(settled).toEqual({ accepted: [], completed: [], readyQueues: [], cancelled: [] });
    });

    it("writes those of a batch whose claims stand, and refuses the others", async () => {
      const bench = await open();
      await bench.addAll(Array.from({ length: 50 }, () => newJob()));
      const workerId = await bench.worker();
      const jobs = await bench.claim(workerId);
      const lost = jobs.filter((_, index) => index % 3 === 0);
      await bench.release(workerId, lost);
      const settled = await bench.settle(workerId, jobs, SUCCEEDED);
      const kept = idsOf(jobs).filter((id) => !idsOf(lost).includes(id));
      expect(new Set(settled.accepted)).toEqual(new Set(kept));
      expect(new Set((await bench.states()).keys())).toEqual(new Set(idsOf(lost)));
    });

    it("writes while the claim stands, though the lease ran out: the work is done", async () => {
      const bench = await open();
      await bench.add();
      const workerId = await bench.worker();
      const job = await bench.claimOne(workerId);
      await bench.expireLease(workerId);
      expect((await bench.settle(workerId, [job], SUCCEEDED)).accepted).toEqual([job.id]);
      expect((await bench.states()).size).toBe(0);
    });

    describe.each(EVERY_OUTCOME)("of %s", (_, outcome) => {
      it("is refused with an older token", async () => {
        const bench = await open();
        const id = await bench.add();
        const workerId = await bench.worker();
        const old = await bench.claimOne(workerId);
        await bench.release(workerId, [old]);
        await bench.claimOne(workerId);
        expect((await bench.settle(workerId, [old], outcome)).accepted).toEqual([]);
        expect(await bench.state(id)).toBe("claimed");
      });

      it("is refused to another worker", async () => {
        const bench = await open();
        const id = await bench.add();
        const job = await bench.claimOne(await bench.worker());
        const settled = await bench.settle(await bench.worker(), [job], outcome);
        expect(settled.accepted).toEqual([]);
        expect(await bench.state(id)).toBe("claimed");
      });

      it("is refused the second time", async () => {
        const bench = await open();
        await bench.add();
        const workerId = await bench.worker();
        const job = await bench.claimOne(workerId);
        expect((await bench.settle(workerId, [job], outcome)).accepted).toEqual([job.id]);
        const states = await bench.states();
        expect((await bench.settle(workerId, [job], outcome)).accepted).toEqual([]);
        expect(await bench.states()).toEqual(states);
      });

      it("is refused when the claim was recovered", async () => {
        const bench = await open();
        const id = await bench.add();
        const workerId = await bench.worker();
        const job = await bench.claimOne(workerId);
        await bench.expireLease(workerId);
        await bench.recover();
        expect((await bench.settle(workerId, [job], outcome)).accepted).toEqual([]);
        expect(await bench.release(workerId, [job])).toEqual([]);
        expect(await bench.state(id)).toBe("pending");
      });
    });
  });

  describe("a job completed in a transaction", () => {
    it("is gone, and what is settled for it is refused", async ({ skip }) => {
      const bench = await open();
      const { completeInTransaction } = bench;
      if (completeInTransaction === undefined) return skip("This store has no transactions");
      await bench.add();
      const workerId = await bench.worker();
      const job = await bench.claimOne(workerId);
      expect(await completeInTransaction(workerId, job)).toBe(true);
      expect((await bench.states()).size).toBe(0);
      expect((await bench.settle(workerId, [job], SUCCEEDED)).accepted).toEqual([]);
    });

    it("stays when the claim does not stand any more", async ({ skip }) => {
      const bench = await open();
      const { completeInTransaction } = bench;
      if (completeInTransaction === undefined) return skip("This store has no transactions");
      const id = await bench.add();
      const workerId = await bench.worker();
      const old = await bench.claimOne(workerId);
      await bench.release(workerId, [old]);
      await bench.claimOne(workerId);
      const completed = completeInTransaction(workerId, old);
      expect(await completed.catch(() => false)).toBe(false);
      expect(await bench.state(id)).toBe("claimed");
    });
  });
}

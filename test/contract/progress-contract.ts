import { describe, expect, it } from "vitest";
import { FAILED, kept, RELEASED, retried, snoozed } from "./bench.ts";
import type { Bench, Open, Written } from "./bench.ts";

/** What `progress` keeps, and for how long. */
export function progressContract(open: Open): void {
  describe("progress", () => {
    it("is there for those who look while the job runs", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      const { token } = await bench.claimOne(workerId);
      expect((await bench.look(id)).lastProgress).toBeUndefined();
      for (const value of ['{"rows":[1,"€"]}', "null", "7"]) {
        expect(await bench.progress(workerId, [{ id, token, value }])).toEqual([]);
        expect((await bench.look(id)).lastProgress).toEqual(JSON.parse(value));
      }
      expect(await bench.state(id)).toBe("claimed");
    });

    it("of many jobs is kept for each, whatever their order", async () => {
      const bench = await open();
      const ids = await bench.addAll(Array.from({ length: 30 }, () => ({})));
      const workerId = await bench.worker();
      const jobs = await bench.claim(workerId);
      const values = jobs.map(({ id, token }) => ({ id, token, value: `"at ${id}"` }));
      expect(await bench.progress(workerId, values.toReversed())).toEqual([]);
      const seen = await bench.find(ids);
      expect(seen.map(({ lastProgress }) => lastProgress)).toEqual(ids.map((id) => `at ${id}`));
    });

    it("does nothing for no values", async () => {
      const bench = await open();
      expect(await bench.progress(await bench.worker(), [])).toEqual([]);
    });

    it("is refused where the claim is gone, and kept for the others", async () => {
      const bench = await open();
      const [first, second, third] = await bench.addAll([{}, {}, {}]);
      const [workerId, stranger] = [await bench.worker(), await bench.worker()];
      const [one, two] = await bench.claim(workerId, { limit: 2 });
      const foreign = await bench.claimOne(stranger);
      if (one === undefined || two === undefined) throw new Error("Expected two jobs");
      await bench.release(workerId, [one]);
      await bench.claim(workerId, { limit: 1 });
      const refused = await bench.progress(workerId, [
        { id: one.id, token: one.token, value: "1" },
        { id: two.id, token: two.token, value: "2" },
        { id: foreign.id, token: foreign.token, value: "3" },
        { id: "123456789012345678", token: 1, value: "4" },
      ]);
      expect(new Set(refused)).toEqual(new Set([first, third, "123456789012345678"]));
      const seen = await bench.find([first ?? "", second ?? "", third ?? ""]);
      expect(seen.map(({ lastProgress }) => lastProgress)).toEqual([undefined, 2, undefined]);
    });

    it("is written while the claim stands, though the lease ran out", async () => {
      const bench = await open();
      const { id, token, workerId } = await running(bench);
      await bench.expireLease(workerId);
      expect(await bench.progress(workerId, [{ id, token, value: "1" }])).toEqual([]);
      await bench.recover();
      expect(await bench.progress(workerId, [{ id, token, value: "2" }])).toEqual([id]);
      expect((await bench.look(id)).lastProgress).toBe(1);
    });

    it("changes nothing else of the job", async () => {
      const bench = await open();
      const { id, token, workerId } = await running(bench);
      const before = await bench.look(id);
      await bench.progress(workerId, [{ id, token, value: "1" }]);
      expect(await bench.look(id)).toEqual({ ...before, lastProgress: 1 });
    });
  });

  describe("the last progress", () => {
    it.each<[string, Written]>([
      ["retried at once", retried(0)],
      ["retried later", retried(60_000)],
      ["snoozed", snoozed(60_000)],
      ["released", RELEASED],
    ])("is handed to the next attempt when this one is %s", async (_, outcome) => {
      const bench = await open();
      const { id, token, workerId } = await running(bench);
      await bench.progress(workerId, [{ id, token, value: '{"row":3}' }]);
      await bench.settle(workerId, [{ id, token }], outcome);
      expect((await bench.look(id)).lastProgress).toEqual({ row: 3 });
      await bench.elapse(60_001);
      await bench.promote();
      expect((await bench.claimOne(workerId)).lastProgress).toEqual({ row: 3 });
    });

    it("is handed to the next attempt when a worker gives the claim back, or dies", async () => {
      const bench = await open();
      const { id, token, workerId } = await running(bench);
      await bench.progress(workerId, [{ id, token, value: '"half"' }]);
      await bench.release(workerId, [{ id, token }]);
      expect((await bench.claimOne(workerId)).lastProgress).toBe("half");
      await bench.expireLease(workerId);
      await bench.recover();
      expect((await bench.claimOne(await bench.worker())).lastProgress).toBe("half");
    });

    it("comes with the outcome where it was not kept yet", async () => {
      const bench = await open();
      const { id, token, workerId } = await running(bench);
      await bench.progress(workerId, [{ id, token, value: "1" }]);
      await bench.settleAll(workerId, [{ id, token, outcome: retried(0), progress: "2" }]);
      const next = await bench.claimOne(workerId);
      expect(next.lastProgress).toBe(2);
      await bench.settleAll(workerId, [{ ...next, outcome: retried(0), progress: undefined }]);
      expect((await bench.look(id)).lastProgress).toBe(2);
    });

    it("stays with a job that failed, and is cleared when somebody retries it", async () => {
      const bench = await open();
      const { id, token, workerId } = await running(bench);
      await bench.settleAll(workerId, [{ id, token, outcome: FAILED, progress: "9" }]);
      expect((await bench.look(id)).lastProgress).toBe(9);
      await bench.retryJob(id);
      expect((await bench.look(id)).lastProgress).toBeUndefined();
      const again = await bench.claimOne(workerId);
      expect(again.lastProgress).toBeUndefined();
      await bench.settleAll(workerId, [{ ...again, outcome: FAILED, progress: "9" }]);
      await bench.bulkRetry("mill", { dryRun: false });
      expect((await bench.look(id)).lastProgress).toBeUndefined();
    });

    it("stays with a job whose result is kept", async () => {
      const bench = await open();
      const { id, token, workerId } = await running(bench);
      await bench.settleAll(workerId, [{ id, token, outcome: kept("done"), progress: "100" }]);
      expect(await bench.look(id)).toMatchObject({ lastProgress: 100, result: "done" });
    });
  });
}

/** A job that a new worker has claimed. */
async function running(
  bench: Bench,
): Promise<{ readonly id: string; readonly token: number; readonly workerId: string }> {
  await bench.add({ keepResultMs: 60_000 });
  const workerId = await bench.worker();
  const { id, token } = await bench.claimOne(workerId);
  return { id, token, workerId };
}

import { describe, expect, it } from "vitest";
import { FAILED, idsOf, JAMMED, RELEASED, SUCCEEDED } from "./bench.ts";
import type { Bench, Open } from "./bench.ts";

/** How long claims stand, and what becomes of those of a dead worker. */
export function leaseContract(open: Open): void {
  describe("register", () => {
    it("gives every incarnation an id of its own", async () => {
      const bench = await open();
      const ids = await Promise.all(Array.from({ length: 10 }, () => bench.worker()));
      expect(new Set(ids).size).toBe(10);
    });
  });

  describe("heartbeat", () => {
    it("renews a lease that stands", async () => {
      const bench = await open();
      const workerId = await bench.worker({ leaseDurationMs: 600_000 });
      expect(await bench.heartbeat(workerId, 1_800_000)).toBe(true);
      const { expiresInMs } = await bench.recover();
      expect(expiresInMs).toBeGreaterThan(600_000);
      expect(expiresInMs).toBeLessThanOrEqual(1_800_000);
    });

    it("never revives a lease that ran out", async () => {
      const bench = await open();
      const workerId = await bench.worker();
      await bench.expireLease(workerId);
      expect(await bench.heartbeat(workerId)).toBe(false);
      expect(await bench.heartbeat(workerId)).toBe(false);
    });

    it("refuses a worker that was removed", async () => {
      const bench = await open();
      const workerId = await bench.worker();
      await bench.expireLease(workerId);
      await bench.recover();
      expect(await bench.heartbeat(workerId)).toBe(false);
    });
  });

  describe("unregister", () => {
    it("removes a worker", async () => {
      const bench = await open();
      const workerId = await bench.worker();
      await bench.unregister(workerId);
      expect(await bench.heartbeat(workerId)).toBe(false);
      expect((await bench.recover()).expiresInMs).toBeUndefined();
    });

    it("leaves a worker that holds claims, so that they can be recovered", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      await bench.claimOne(workerId);
      await bench.unregister(workerId);
      expect(await bench.heartbeat(workerId)).toBe(true);
      expect(await bench.state(id)).toBe("claimed");
      await bench.expireLease(workerId);
      expect(idsOf((await bench.recover()).jobs)).toEqual([id]);
      expect(await bench.state(id)).toBe("pending");
    });
  });

  describe("recover", () => {
    it("gives back the claims of a dead worker, and tells of them", async () => {
      const bench = await open();
      const id = await bench.add({ source: "turn:7" });
      await die(bench, 1);
      const { jobs } = await bench.recover();
      const told = { id, kind: "mill", queue: "default", source: "turn:7", maxAttempts: 3 };
      expect(jobs).toEqual([{ ...told, attempt: 1, state: "pending" }]);
      expect(await bench.state(id)).toBe("pending");
    });

    it("counts an attempt that had started, and the crash", async () => {
      const bench = await open();
      await bench.add();
      await die(bench, 1);
      await bench.recover();
      const job = await bench.claimOne(await bench.worker());
      expect(job).toMatchObject({ attempt: 2, crashes: 1, token: 2 });
    });

    it("does not count an attempt that had not started, only the crash", async () => {
      const bench = await open();
      await bench.add();
      await die(bench, 0);
      await bench.recover();
      const job = await bench.claimOne(await bench.worker());
      expect(job).toMatchObject({ attempt: 1, crashes: 1, token: 2 });
    });

    it("counts an attempt in any case when a worker died with the job before", async () => {
      const bench = await open();
      await bench.add();
      await die(bench, 0);
      await bench.recover();
      await die(bench, 0);
      await bench.recover();
      const job = await bench.claimOne(await bench.worker());
      expect(job).toMatchObject({ attempt: 2, crashes: 2, token: 3 });
    });

    it("counts the first of a claim as begun, up to its startLimit", async () => {
      const bench = await open();
      // One that may begin only once fails if it had begun.
      await bench.addAll([2, 0, 1].map((priority) => ({ priority, maxAttempts: 1 })));
      await die(bench, 2);
      const { jobs } = await bench.recover();
      expect(jobs.map(({ state }) => state)).toEqual(["pending", "failed", "failed"]);
    });

    it("counts none of several that had begun: nobody knows which of them it was", async () => {
      const bench = await open();
      const [first] = await bench.addAll([{}, {}, { maxAttempts: 1 }]);
      await die(bench, 3);
      const { jobs } = await bench.recover();
      expect(jobs.map(({ state }) => state)).toEqual(["pending", "pending", "failed"]);
      const workerId = await bench.worker();
      const claimed = await bench.claim(workerId);
      expect(claimed.map(({ attempt, crashes }) => [attempt, crashes])).toEqual([
        [1, 1],
        [1, 1],
      ]);
      await bench.settle(workerId, claimed, FAILED);
      const failed = (await bench.listFailed()).find(({ id }) => id === first);
      expect(failed?.errors).toMatchObject([{ attempt: 1, name: "JamError" }]);
    });

    it("counts of several that had begun the one that most workers died with", async () => {
      const bench = await open();
      const [poison] = await bench.addAll([{}, {}]);
      await die(bench, 2);
      await bench.recover();
      const doomed = await bench.worker();
      const held = await bench.claim(doomed);
      await bench.settle(doomed, held.slice(1), { type: "retried", delayMs: 0, error: JAMMED });
      await bench.claim(doomed);
      await bench.expireLease(doomed);
      await bench.recover();
      const jobs = await bench.claim(await bench.worker());
      expect(jobs.map(({ id, attempt, crashes }) => [id === poison, attempt, crashes])).toEqual([
        [true, 2, 2],
        [false, 2, 1],
      ]);
    });

    it.each(["retried", "snoozed"] as const)("forgets crashes when an attempt is %s", async (type) => {
      const bench = await open();
      await bench.add();
      await die(bench, 1);
      await bench.recover();
      const workerId = await bench.worker();
      const job = await bench.claimOne(workerId);
      await bench.settle(
        workerId,
        [job],
        type === "retried" ? { type, delayMs: 0, error: JAMMED } : { type, delayMs: 0 },
      );
      expect((await bench.claimOne(workerId)).crashes).toBe(0);
    });

    it("keeps the crashes of an attempt that was released", async () => {
      const bench = await open();
      await bench.add();
      await die(bench, 1);
      await bench.recover();
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], RELEASED);
      expect((await bench.claimOne(workerId)).crashes).toBe(1);
    });

    it("counts a prefetched job from when its start was told", async () => {
      const bench = await open();
      await bench.addAll([{}, {}]);
      const workerId = await bench.worker();
      const claimed = await bench.claim(workerId, { startLimit: 0 });
      await bench.claim(workerId, { started: claimed.slice(0, 1) });
      await bench.expireLease(workerId);
      await bench.recover();
      const jobs = await bench.claim(await bench.worker());
      expect(jobs.map(({ attempt }) => attempt)).toEqual([2, 1]);
    });

    it("gives out what workers died with first, and no more of it than begins at once, or one", async () => {
      const bench = await open();
      await bench.addAll([{}, {}, {}]);
      await die(bench, 3);
      await bench.recover();
      const [fresh] = await bench.addAll([{}]);
      const workerId = await bench.worker();
      const first = await bench.claim(workerId, { startLimit: 2 });
      expect(first.map(({ id, crashes }) => (id === fresh ? "fresh" : crashes))).toEqual([1, 1, "fresh"]);
      const second = await bench.claim(workerId, { startLimit: 0 });
      expect(second.map(({ crashes }) => crashes)).toEqual([1]);
    });

    it("gives them out after fresh jobs that are more urgent", async () => {
      const bench = await open();
      const [died] = await bench.addAll([{}]);
      await die(bench, 1);
      await bench.recover();
      const [urgent, equal] = await bench.addAll([{ priority: -1 }, {}]);
      const workerId = await bench.worker();
      expect(idsOf(await bench.claim(workerId, { limit: 1 }))).toEqual([urgent]);
      expect(idsOf(await bench.claim(workerId))).toEqual([died, equal]);
    });

    it("compares them with the fresh jobs behind the place where a claim begins, not with those before", async () => {
      const bench = await open();
      const [died] = await bench.addAll([{ priority: 1 }]);
      await die(bench, 1);
      await bench.recover();
      const [first, second, late] = await bench.addAll([{}, {}, { priority: 2 }]);
      const workerId = await bench.worker();
      const behind = (id = ""): Parameters<Bench["claim"]>[1] => ({ after: { priority: 0, id }, limit: 1 });
      expect(idsOf(await bench.claim(workerId, behind(first)))).toEqual([second]);
      expect(idsOf(await bench.claim(workerId, behind(first)))).toEqual([died]);
      expect(idsOf(await bench.claim(workerId))).toEqual([first, late]);
    });

    it("gives back all that a worker had begun at once, and charges none of many", async () => {
      const bench = await open();
      await bench.addAll([{}, {}, {}]);
      await die(bench, 2);
      const { jobs } = await bench.recover(1);
      expect(jobs).toHaveLength(3);
      const claimed = await bench.claim(await bench.worker());
      expect(claimed.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    });

    it("gives them out wherever a claim begins", async () => {
      const bench = await open();
      const [died] = await bench.addAll([{}]);
      await die(bench, 1);
      await bench.recover();
      const ids = await bench.addAll([{}, {}]);
      const after = { priority: 0, id: ids[0] ?? "" };
      expect(idsOf(await bench.claim(await bench.worker(), { after }))).toEqual([died, ids[1]]);
    });

    it("gives out suspects, with which more than one worker died, one at a time", async () => {
      const bench = await open();
      await bench.addAll([{}, {}, {}]);
      for (let crash = 0; crash < 2; crash += 1) {
        await die(bench, 3);
        await bench.recover();
      }
      const [fresh] = await bench.addAll([{}]);
      const [workerId, other] = [await bench.worker(), await bench.worker()];
      const first = await bench.claim(workerId);
      expect(first.map(({ id, crashes }) => (id === fresh ? "fresh" : crashes))).toEqual([2, "fresh"]);
      expect(await bench.claim(workerId)).toEqual([]);
      const second = await bench.claim(other);
      expect(second.map(({ crashes }) => crashes)).toEqual([2]);
      await bench.settle(workerId, first, SUCCEEDED);
      expect((await bench.claim(workerId)).map(({ crashes }) => crashes)).toEqual([2]);
      await bench.expireLease(other);
      expect((await bench.recover()).jobs).toMatchObject([{ id: second[0]?.id, attempt: 1 }]);
      expect(await bench.claimOne(await bench.worker())).toMatchObject({ attempt: 2, crashes: 3 });
    });

    it("does not count a start that was told of an older claim, or by another worker", async () => {
      const bench = await open();
      await bench.add();
      const [workerId, stranger] = [await bench.worker(), await bench.worker()];
      const old = await bench.claimOne(workerId, { startLimit: 0 });
      await bench.release(workerId, [old]);
      const job = await bench.claimOne(workerId, { startLimit: 0 });
      await bench.claim(workerId, { started: [old] });
      await bench.claim(stranger, { started: [job] });
      await bench.expireLease(workerId);
      await bench.recover();
      expect((await bench.claimOne(stranger)).attempt).toBe(1);
    });

    it("keeps an error for an attempt that a crash ended, and none for one that had not started", async () => {
      const bench = await open();
      await bench.addAll([{}, {}]);
      await die(bench, 1);
      await bench.recover();
      const workerId = await bench.worker();
      await bench.settle(workerId, await bench.claim(workerId), FAILED);
      const counted = [...(await bench.listFailed())]
        .sort((a, b) => Number(a.id) - Number(b.id))
        .map(({ errors }) => errors.map(({ attempt }) => attempt));
      expect(counted).toEqual([[1, 2], [1]]);
    });

    it("fails a job whose attempts are used up, with a reason and an error", async () => {
      const bench = await open();
      const id = await bench.add({ maxAttempts: 2 });
      await die(bench, 1);
      await bench.recover();
      await die(bench, 1);
      const { jobs } = await bench.recover();
      expect(jobs).toMatchObject([{ id, attempt: 2, maxAttempts: 2, state: "failed" }]);
      expect(await bench.state(id)).toBe("failed");
      const [failed] = await bench.listFailed();
      expect(failed).toMatchObject({ id, attempt: 2, crashes: 2 });
      expect(failed?.reason).toMatch(/\w/u);
      expect(failed?.errors.at(-1)).toMatchObject({ attempt: 2 });
      expect(failed?.errors.at(-1)?.message).toMatch(/\w/u);
    });

    it("never fails a job that had not started", async () => {
      const bench = await open();
      const id = await bench.add({ maxAttempts: 1 });
      await die(bench, 0);
      await bench.recover();
      expect(await bench.state(id)).toBe("pending");
    });

    it("leaves the claims of living workers", async () => {
      const bench = await open();
      await bench.addAll([{}, {}]);
      const living = await bench.worker();
      const job = await bench.claimOne(living);
      await die(bench, 1);
      await bench.recover();
      expect(await bench.state(job.id)).toBe("claimed");
      expect((await bench.settle(living, [job], SUCCEEDED)).accepted).toEqual([job.id]);
    });

    it("gives back no more than its limit of what had not begun, and the rest the next time", async () => {
      const bench = await open();
      const ids = await bench.addAll([{}, {}, {}, {}, {}]);
      await die(bench, 0);
      const first = await bench.recover(3);
      expect(first.jobs).toHaveLength(3);
      expect(await bench.pendingCount()).toBe(3);
      const rest = await bench.recover(3);
      expect(new Set(idsOf([...first.jobs, ...rest.jobs]))).toEqual(new Set(ids));
      expect(await bench.recover(3)).toEqual({ jobs: [], expiresInMs: undefined });
    });

    it("asks to be called again soon while a dead worker holds claims", async () => {
      const bench = await open();
      await bench.addAll([{}, {}]);
      await die(bench, 0);
      await bench.worker({ leaseDurationMs: 600_000 });
      expect((await bench.recover(1)).expiresInMs).toBe(200);
      expect((await bench.recover(1)).expiresInMs).toBeGreaterThan(500_000);
    });

    it("removes dead workers, those without claims too", async () => {
      const bench = await open();
      await bench.expireLease(await bench.worker());
      expect(await bench.recover()).toEqual({ jobs: [], expiresInMs: undefined });
    });

    it("tells when the next lease runs out", async () => {
      const bench = await open();
      await bench.worker({ leaseDurationMs: 1_800_000 });
      await bench.worker({ leaseDurationMs: 600_000 });
      const { expiresInMs } = await bench.recover();
      expect(expiresInMs).toBeGreaterThan(0);
      expect(expiresInMs).toBeLessThanOrEqual(600_000);
    });

    it("gives each claim back once to many that recover at the same time", async () => {
      const bench = await open();
      const ids = await bench.addAll(Array.from({ length: 40 }, () => ({})));
      await die(bench, 40);
      const answers = await Promise.all(Array.from({ length: 6 }, () => bench.recover(15)));
      const last = await bench.recover();
      const jobs = idsOf([...answers, last].flatMap((answer) => answer.jobs));
      expect(jobs).toHaveLength(40);
      expect(new Set(jobs)).toEqual(new Set(ids));
    });
  });
}

/** Lets a new worker claim all jobs, begin some of them, and die. */
async function die(bench: Bench, startLimit: number): Promise<void> {
  const workerId = await bench.worker();
  await bench.claim(workerId, { startLimit });
  await bench.expireLease(workerId);
}

import { describe, expect, it } from "vitest";
import type { AfterFailure } from "../../src/core/job.ts";
import { FAILED, idsOf, RELEASED, retried, snoozed, SUCCEEDED } from "./bench.ts";
import type { Bench, Open, Written } from "./bench.ts";

/** When a job that waits for others may run, and what it does when one of them fails. */
export function fanInContract(open: Open): void {
  describe("a job that waits for others", () => {
    it("becomes pending when the last of them has succeeded", async () => {
      const bench = await open();
      const after = await bench.addAll([{}, {}]);
      const child = await bench.add({ after, queue: "bakery" });
      const workerId = await bench.worker();
      const [first, second] = await bench.claim(workerId);
      expect(await bench.state(child)).toBe("waiting");
      expect((await bench.settle(workerId, first ? [first] : [], SUCCEEDED)).readyQueues).toEqual([]);
      expect(await bench.state(child)).toBe("waiting");
      const settled = await bench.settle(workerId, second ? [second] : [], SUCCEEDED);
      expect(settled.readyQueues).toEqual(["bakery"]);
      expect(await bench.state(child)).toBe("pending");
    });

    it("becomes pending once when all succeed in one call", async () => {
      const bench = await open();
      const after = await bench.addAll([{}, {}, {}]);
      const child = await bench.add({ after });
      const workerId = await bench.worker();
      const settled = await bench.settle(workerId, await bench.claim(workerId), SUCCEEDED);
      expect(settled.readyQueues).toEqual(["default"]);
      expect(await bench.states()).toEqual(new Map([[child, "pending"]]));
    });

    it("is neither lost nor doubled when all succeed at the same moment", async () => {
      const bench = await open();
      const workerIds = await Promise.all([bench.worker(), bench.worker(), bench.worker()]);
      const children: string[] = [];
      for (let round = 0; round < 10; round += 1) {
        const after = await bench.addAll([{}, {}, {}]);
        children.push(await bench.add({ after, queue: "bakery" }));
        const claimed = await claimEach(bench, workerIds);
        await Promise.all(claimed.map(([id, jobs]) => bench.settle(id, jobs, SUCCEEDED)));
      }
      expect(await bench.states()).toEqual(new Map(children.map((id) => [id, "pending"])));
    });

    it("tells the queues of all children", async () => {
      const bench = await open();
      const parent = await bench.add();
      await bench.addAll(["a", "b", "a"].map((queue) => ({ queue, after: [parent] })));
      const settled = await end(bench, SUCCEEDED);
      expect(settled.readyQueues.toSorted()).toEqual(["a", "b"]);
    });

    it("waits in a chain for one after the other", async () => {
      const bench = await open();
      const first = await bench.add();
      const second = await bench.add({ after: [first] });
      const third = await bench.add({ after: [second] });
      await end(bench, SUCCEEDED);
      expect(await bench.states()).toEqual(
        new Map([
          [second, "pending"],
          [third, "waiting"],
        ]),
      );
      await end(bench, SUCCEEDED);
      expect(await bench.states()).toEqual(new Map([[third, "pending"]]));
    });

    it("is pending at once when all of them are gone", async () => {
      const bench = await open();
      const after = await bench.addAll([{}, {}]);
      await end(bench, SUCCEEDED);
      expect(await bench.state(await bench.add({ after }))).toBe("pending");
    });

    it("is refused after an id that no job has had, and nothing is written", async () => {
      const bench = await open();
      const parent = await bench.add();
      const next = String(BigInt(parent) + 1n);
      for (const stranger of [next, "9223372036854775807"]) {
        await expect(bench.addAll([{}, { after: [parent, stranger] }])).rejects.toThrow(
          "Expected `after` to hold ids of jobs that were enqueued before, got ",
        );
      }
      await expect(bench.add({ after: ["9223372036854775807"] })).rejects.toThrow("got 9223372036854775807");
      expect(await bench.states()).toEqual(new Map([[parent, "pending"]]));
    });

    it("waits once for a job that is named twice", async () => {
      const bench = await open();
      const parent = await bench.add();
      const child = await bench.add({ after: [parent, parent] });
      await end(bench, SUCCEEDED);
      expect(await bench.state(child)).toBe("pending");
    });

    it("is scheduled when they are done before its moment", async () => {
      const bench = await open();
      const child = await bench.add({ after: [await bench.add()], delayMs: 60_000 });
      const settled = await end(bench, SUCCEEDED);
      expect(settled.readyQueues).toEqual([]);
      expect(await bench.state(child)).toBe("scheduled");
    });

    it("waits for jobs in every state but failed", async () => {
      const bench = await open();
      await bench.add();
      const claimed = await bench.claimOne(await bench.worker());
      const others = await bench.addAll([{}, { delayMs: 60_000 }, { after: [claimed.id] }]);
      for (const parent of [claimed.id, ...others]) {
        const child = await bench.add({ after: [parent], afterFailure: "fail" });
        expect(await bench.state(child)).toBe("waiting");
      }
    });

    it.each<[string, Written]>([
      ["retried", retried(0)],
      ["snoozed", snoozed(0)],
      ["released", RELEASED],
    ])("waits on when one is %s", async (_, outcome) => {
      const bench = await open();
      const child = await bench.add({ after: [await bench.add()], afterFailure: "run" });
      await end(bench, outcome);
      expect(await bench.state(child)).toBe("waiting");
    });

    it("may run when one completes in a transaction", async ({ skip }) => {
      const bench = await open();
      if (bench.completeInTransaction === undefined) return skip("This store has no transactions");
      const child = await bench.add({ after: [await bench.add()] });
      const workerId = await bench.worker();
      await bench.completeInTransaction(workerId, await bench.claimOne(workerId));
      expect(await bench.states()).toEqual(new Map([[child, "pending"]]));
    });
  });

  describe("when a job fails for good", () => {
    it.each<[AfterFailure, string]>([
      ["wait", "waiting"],
      ["run", "pending"],
      ["fail", "failed"],
    ])("its child that should %s is %s", async (afterFailure, state) => {
      const bench = await open();
      const child = await bench.add({ after: [await bench.add()], afterFailure });
      const settled = await end(bench, FAILED);
      expect(settled.readyQueues).toEqual(afterFailure === "run" ? ["default"] : []);
      expect(await bench.state(child)).toBe(state);
    });

    it.each<[AfterFailure, string]>([
      ["wait", "waiting"],
      ["run", "pending"],
      ["fail", "failed"],
    ])("a child that comes later and should %s is %s", async (afterFailure, state) => {
      const bench = await open();
      const parent = await bench.add();
      await end(bench, FAILED);
      const child = await bench.add({ after: [parent], afterFailure });
      expect(await bench.state(child)).toBe(state);
    });

    it.each<[AfterFailure, string]>([
      ["wait", "waiting"],
      ["run", "pending"],
      ["fail", "failed"],
    ])("by a crash, its child that should %s is %s", async (afterFailure, state) => {
      const bench = await open();
      const child = await bench.add({ after: [await bench.add({ maxAttempts: 1 })], afterFailure });
      const workerId = await bench.worker();
      await bench.claimOne(workerId);
      await bench.expireLease(workerId);
      await bench.recover();
      expect(await bench.state(child)).toBe(state);
    });

    it("a child that runs all the same waits for the others first", async () => {
      const bench = await open();
      const [failing, other] = await bench.addAll([{}, { queue: "slow" }]);
      const child = await bench.add({ after: [failing ?? "", other ?? ""], afterFailure: "run" });
      await end(bench, FAILED);
      expect(await bench.state(child)).toBe("waiting");
      await end(bench, SUCCEEDED, "slow");
      expect(await bench.state(child)).toBe("pending");
    });

    it("a child that fails with it does not wait for the others, and says why", async () => {
      const bench = await open();
      const [failing, other] = await bench.addAll([{}, { queue: "slow" }]);
      const child = await bench.add({ after: [failing ?? "", other ?? ""], afterFailure: "fail" });
      await end(bench, FAILED);
      const failed = (await bench.listFailed()).find(({ id }) => id === child);
      expect(failed).toMatchObject({ attempt: 0, crashes: 0, errors: [] });
      expect(failed?.reason).toContain(failing);
      await end(bench, SUCCEEDED, "slow");
      expect(await bench.state(child)).toBe("failed");
    });

    it("it cascades through the children of children", async () => {
      const bench = await open();
      const parent = await bench.add();
      const child = await bench.add({ after: [parent], afterFailure: "fail" });
      const grandchildren = await bench.addAll([
        { after: [child], afterFailure: "fail" },
        { after: [child], afterFailure: "run", queue: "bakery" },
        { after: [child], afterFailure: "wait" },
      ]);
      const last = await bench.add({ after: grandchildren.slice(0, 1), afterFailure: "fail" });
      const settled = await end(bench, FAILED);
      expect(settled.readyQueues).toEqual(["bakery"]);
      expect(await bench.states()).toEqual(
        new Map([
          [parent, "failed"],
          [child, "failed"],
          [grandchildren[0], "failed"],
          [grandchildren[1], "pending"],
          [grandchildren[2], "waiting"],
          [last, "failed"],
        ]),
      );
    });

    it("and succeeds after a retry, its waiting child may run", async () => {
      const bench = await open();
      const parent = await bench.add();
      const child = await bench.add({ after: [parent] });
      await end(bench, FAILED);
      await bench.retryJob(parent);
      expect(await bench.state(child)).toBe("waiting");
      await end(bench, SUCCEEDED);
      expect(await bench.states()).toEqual(new Map([[child, "pending"]]));
    });

    it("and is deleted, its waiting child may run", async () => {
      const bench = await open();
      const [failing, other] = await bench.addAll([{}, { queue: "slow" }]);
      const child = await bench.add({ after: [failing ?? ""] });
      const patient = await bench.add({ after: [failing ?? "", other ?? ""] });
      await end(bench, FAILED);
      await bench.deleteFailed(failing ?? "");
      expect(await bench.state(child)).toBe("pending");
      expect(await bench.state(patient)).toBe("waiting");
    });

    it("a child that failed with it runs when it is retried, and waits for nothing", async () => {
      const bench = await open();
      const child = await bench.add({ after: [await bench.add()], afterFailure: "fail" });
      await end(bench, FAILED);
      await bench.retryJob(child);
      const job = await bench.claimOne(await bench.worker());
      expect(job).toMatchObject({ id: child, attempt: 1 });
    });

    it("a child that ran all the same is not released again by its retry", async () => {
      const bench = await open();
      const [failing, other] = await bench.addAll([{}, { queue: "slow" }]);
      const child = await bench.add({ after: [failing ?? "", other ?? ""], afterFailure: "run" });
      await end(bench, FAILED);
      await bench.retryJob(failing ?? "");
      await end(bench, SUCCEEDED);
      expect(await bench.state(child)).toBe("waiting");
    });
  });
}

/** Claims what is pending in a queue and ends it all with one outcome. */
async function end(bench: Bench, outcome: Written, queue = "default"): ReturnType<Bench["settle"]> {
  const workerId = await bench.worker();
  return bench.settle(workerId, await bench.claim(workerId, { queue }), outcome);
}

async function claimEach(bench: Bench, workerIds: readonly string[]) {
  const claimed: [string, Awaited<ReturnType<Bench["claim"]>>][] = [];
  for (const id of workerIds) claimed.push([id, await bench.claim(id, { limit: 1 })]);
  expect(new Set(claimed.flatMap(([, jobs]) => idsOf(jobs))).size).toBe(workerIds.length);
  return claimed;
}

import { EMPTY, NEVER, Subject, concat, of } from "rxjs";
import { describe, expect, it } from "vitest";
import type { JobSnapshot } from "../../../src/core/job.ts";
import type { JobUpdate } from "../../../src/watch/job-update.ts";
import { resultOf } from "../../../src/watch/result-of.ts";
import { pass, useFakeClock } from "../../support/marbles.ts";

function update(state: JobUpdate["state"], job?: Partial<JobSnapshot>): JobUpdate {
  return { id: "7", state, job: job as JobSnapshot | undefined, events: [] };
}

describe("resultOf", () => {
  useFakeClock();

  it("resolves to the kept result at the end of the job, also where that is null", async () => {
    const update$ = new Subject<JobUpdate>();
    const result = resultOf("7", update$, {});
    update$.next(update("claimed"));
    update$.next(update("completed", { result: { flour: 3 }, endedAt: new Date(1) }));
    expect(await result).toEqual({ flour: 3 });
    const nothing = of(update("completed", { result: null, endedAt: new Date(1) }));
    expect(await resultOf("7", nothing, {})).toBeNull();
  });

  it.each<[string, JobUpdate, object]>([
    [
      "failed",
      update("failed", {
        reason: "Error: no rye",
        cancelled: false,
        errors: [{ name: "Error", message: "no rye", attempt: 3, at: "" }],
      }),
      { reason: "failed", message: "Job 7 failed: Error: no rye", cause: { attempt: 3 } },
    ],
    [
      "was cancelled",
      update("failed", { reason: "no need", cancelled: true, errors: [] }),
      { reason: "cancelled", message: "Job 7 was cancelled: no need" },
    ],
    [
      "succeeded without keeping it",
      update("completed", { endedAt: undefined }),
      {
        reason: "gone",
        message:
          "Job 7 succeeded and keeps no result: enqueue it with `keepResultMs`; one that its handler completed in a transaction keeps none",
      },
    ],
    [
      "has no row",
      update("gone"),
      {
        reason: "gone",
        message:
          "Job 7 has no row: it never was, or it succeeded without `keepResultMs`, or its result has expired",
      },
    ],
  ])("rejects with a ResultError when the job %s", async (_, last, wanted) => {
    const thrown: unknown = await resultOf("7", of(last), {}).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ name: "ResultError", ...wanted });
  });

  it("rejects after timeoutMs, and not before", async () => {
    let settled = false;
    const result = resultOf("7", NEVER, { timeoutMs: 50 }).finally(() => (settled = true));
    const thrown = result.catch((error: unknown) => error);
    const wanted = {
      reason: "timeout",
      message: "Job 7 did not end within 50 ms",
    };
    await pass(49);
    expect(settled).toBe(false);
    await pass(1);
    expect(await thrown).toMatchObject(wanted);
  });

  it.each(["waiting", "scheduled", "pending", "claimed"] as const)(
    "says of a job that is still %s that it is, at the timeout",
    async (state) => {
      const update$ = concat(of(update("scheduled"), update(state)), NEVER);
      const thrown = resultOf("7", update$, { timeoutMs: 2_000 }).catch((error: unknown) => error);
      await pass(2_000);
      const message = `Job 7 is still ${state} after 2000 ms`;
      expect(await thrown).toMatchObject({ reason: "timeout", message });
    },
  );

  it("rejects with the reason of its signal", async () => {
    const controller = new AbortController();
    const result = resultOf("7", NEVER, { signal: controller.signal, timeoutMs: 1_000 });
    controller.abort(new Error("the caller left"));
    await expect(result).rejects.toThrow("the caller left");
  });

  it("rejects with ClosedError when the watch ends before the job", async () => {
    await expect(resultOf("7", EMPTY, {})).rejects.toMatchObject({ name: "ClosedError" });
  });
});

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Lab } from "../../bench/lab/lab.ts";
import { runScenario } from "../../bench/run.ts";
import type { Measured, Scenario } from "../../bench/scenarios/scenario.ts";
import type { SystemName } from "../../bench/systems/names.ts";

const SYSTEMS = ["millrace", "graphile-worker", "pg-boss"] as const;

/** A scenario with one case, which needs no server. */
function scenario(runs: (system: SystemName) => AsyncGenerator<Measured, unknown>): Scenario {
  return {
    name: "made up",
    about: "",
    systems: SYSTEMS,
    headline: { figure: "jobs/s", better: "more" },
    cases: () => [{ label: "", runs: (_, system) => runs(system) }],
  };
}

async function rowsOf(runs: number, generate: (system: SystemName) => AsyncGenerator<Measured, unknown>) {
  const plan = { scenarios: [], systems: new Set(SYSTEMS), scale: 1, runs };
  return (await runScenario({} as Lab, scenario(generate), plan)).rows;
}

describe("runScenario", () => {
  beforeEach(() => {
    const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    return () => stderr.mockRestore();
  });

  it("keeps what was measured where tearing down fails, and says so", async () => {
    const takeDown = (system: SystemName): Promise<void> =>
      system === "graphile-worker" ? Promise.reject(new Error("The database is in use")) : Promise.resolve();
    const rows = await rowsOf(2, async function* (system) {
      try {
        for (;;) yield await Promise.resolve({ figures: { "jobs/s": 7 } });
      } finally {
        await takeDown(system);
      }
    });
    expect(rows.map(({ figures, failed }) => [figures["jobs/s"]?.runs, failed])).toEqual([
      [[7, 7], undefined],
      [[7, 7], "failed: The database is in use"],
      [[7, 7], undefined],
    ]);
  });

  it("measures a system that has failed no more, and the others all the same", async () => {
    let tried = 0;
    const rows = await rowsOf(3, async function* (system) {
      for (;;) {
        if (system === "pg-boss" && ++tried === 2) throw new Error("Stalled");
        yield await Promise.resolve({ figures: { "jobs/s": 7 } });
      }
    });
    expect(rows.map(({ figures, failed }) => [figures["jobs/s"]?.runs.length, failed])).toEqual([
      [3, undefined],
      [3, undefined],
      [1, "failed: Stalled"],
    ]);
    expect(tried).toBe(2);
  });

  it("gives each system a turn a round, and does not let it follow always the same", async () => {
    const turns: SystemName[] = [];
    await rowsOf(60, async function* (system) {
      for (;;) {
        turns.push(system);
        yield await Promise.resolve({ figures: { "jobs/s": 7 } });
      }
    });
    const rounds = Array.from({ length: 60 }, (_, round) => turns.slice(3 * round, 3 * round + 3));
    for (const round of rounds) expect(round.toSorted()).toEqual([...SYSTEMS].toSorted());
    expect(new Set(rounds.map(String)).size).toBeGreaterThan(3);
  });
});

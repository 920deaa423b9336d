import type { Lab } from "./lab/lab.ts";
import { redisVersion } from "./lab/redis.ts";
import { summedUp } from "./report/report.ts";
import type { Measurements, ScenarioReport } from "./report/report.ts";
import { numberText } from "./report/table.ts";
import type { Case, Measured, Scenario } from "./scenarios/scenario.ts";
import type { SystemName } from "./systems/names.ts";

/** What to measure. */
export interface Plan {
  readonly scenarios: readonly Scenario[];
  readonly systems: ReadonlySet<SystemName>;
  readonly scale: number;
  readonly runs: number;
}

/** Measures one scenario. */
export async function runScenario(lab: Lab, scenario: Scenario, plan: Plan): Promise<ScenarioReport> {
  const systems = scenario.systems.filter((system) => plan.systems.has(system));
  const measurements: Measurements[] = [];
  for (const given of scenario.cases(plan.scale)) {
    const tell = (system: SystemName, text: string): void => {
      process.stderr.write(`${[scenario.name, given.label, system].filter(Boolean).join(", ")}: ${text}\n`);
    };
    const headline = (measured: Measured): string =>
      `${numberText(measured.figures[scenario.headline.figure] ?? Number.NaN)} (${scenario.headline.figure})`;
    measurements.push(
      ...(await runCase(lab, given, {
        systems,
        runs: plan.runs,
        told: (system, end) => tell(system, typeof end === "string" ? end : headline(end)),
      })),
    );
  }
  return summedUp(scenario, plan, measurements);
}

interface CaseRun {
  readonly systems: readonly SystemName[];
  readonly runs: number;
  /** Hears what each run has shown, or why there is nothing. */
  readonly told: (system: SystemName, end: Measured | string) => void;
}

interface Lane {
  readonly system: SystemName;
  readonly measured: Measured[];
  readonly next: AsyncGenerator<Measured, unknown>;
  failed: string | undefined;
}

/** The systems take turns, in a new order each round, so that none has the quiet moments or always follows the same. */
async function runCase(lab: Lab, given: Case, { systems, runs, told }: CaseRun): Promise<Measurements[]> {
  const lanes = systems.map((system): Lane => {
    const failed =
      system === "bullmq-redis" && redisVersion() === undefined ? "skipped: no redis-server" : undefined;
    return { system, measured: [], next: given.runs(lab, system), failed };
  });
  for (let round = 0; round < runs; round += 1)
    for (const lane of shuffled(lanes)) {
      if (lane.failed !== undefined) continue;
      try {
        const { value } = (await lane.next.next()) as { readonly value: Measured };
        lane.measured.push(value);
        told(lane.system, value);
        // What it has set up does not stand beside the others for longer than it must.
        if (round === runs - 1) await lane.next.return(undefined);
      } catch (error) {
        lane.failed = `failed: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
        told(lane.system, lane.failed);
      }
    }
  return lanes.map(({ system, measured, failed }) => ({ case: given.label, system, runs: measured, failed }));
}

/** The same in a random order, each order as likely: the shuffle of Fisher and Yates. */
function shuffled<T>(of: readonly T[]): T[] {
  const rest = [...of];
  return of.flatMap(() => rest.splice(Math.floor(Math.random() * rest.length), 1));
}

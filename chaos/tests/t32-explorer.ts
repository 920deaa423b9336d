import type { ExplorerOrder, ExplorerSaid } from "../children/explorer.ts";
import { startChild } from "../harness/child.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Explored } from "../model/explore.ts";
import type { ChaosTest } from "../harness/test.ts";

/** Longer than the larger of the two takes, in milliseconds. */
const TIMEOUT_MS = 1_200_000;

/**
 * The lease protocol over the memory store, in every order of steps that there is: three workers and
 * two jobs, each claimed at most so often, with a clock that lets any lease run out at any moment. In
 * each state everybody also writes who has no right to, and all jobs must be able to end from it. That
 * Postgres does what the memory store does is T31's.
 *
 * The control writes by the job's id alone.
 */
export const t32: ChaosTest = {
  id: "T32",
  title: "every order of steps of 3 workers and 2 jobs, with a clock that is against them",
  ci: true,
  run: async ({ ci }) => {
    const limit = ci ? 2 : 3;
    const bounds = { jobs: 2, workers: 3, claims: limit, attempts: limit };
    const explored = await exploredBy({ bounds, fenced: true });
    const control = await exploredBy({ bounds: { ...bounds, jobs: 1, workers: 2 }, fenced: false });
    return {
      figures: figuresOf(explored),
      rules: {
        secondOutcomes: is(0),
        staleAccepted: is(0),
        rightfulRefused: is(0),
        doubleClaims: is(0),
        revivedLeases: is(0),
        stuck: is(0),
        states: atLeast(1_000),
      },
      control: { secondOutcomes: control.secondOutcomes, staleAccepted: control.staleAccepted },
      controlRules: { secondOutcomes: atLeast(1), staleAccepted: atLeast(1) },
    };
  },
};

async function exploredBy(order: ExplorerOrder): Promise<Explored> {
  await using child = startChild<ExplorerSaid>("explorer", order);
  const { explored } = await child.hear("explored", TIMEOUT_MS);
  if (order.fenced && explored.example !== undefined) {
    process.stderr.write(`T32: the shortest way to a fault: ${JSON.stringify(explored.example)}\n`);
  }
  return explored;
}

function figuresOf({ example: _example, ...figures }: Explored): Record<string, number> {
  return figures;
}

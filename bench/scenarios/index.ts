import { backlogScenario } from "./backlog.ts";
import { clusterScenario } from "./cluster.ts";
import { drainIoScenario } from "./drain-io.ts";
import { drainScenario, limitScenario } from "./drain.ts";
import { enqueueManyScenario } from "./enqueue-many.ts";
import { enqueueScenario } from "./enqueue.ts";
import { heldScenario } from "./held.ts";
import { idleScenario } from "./idle.ts";
import { latencyLoadScenario } from "./latency-load.ts";
import { latencyScenario } from "./latency.ts";
import { mixedScenario } from "./mixed.ts";
import type { Scenario } from "./scenario.ts";
import { soakScenario } from "./soak.ts";
import { storageScenario } from "./storage.ts";

/** Everything that is measured, in the order of the page. */
export const SCENARIOS: readonly Scenario[] = [
  limitScenario,
  drainScenario,
  drainIoScenario,
  latencyScenario,
  latencyLoadScenario,
  enqueueScenario,
  enqueueManyScenario,
  backlogScenario,
  heldScenario,
  clusterScenario,
  mixedScenario,
  idleScenario,
  soakScenario,
  storageScenario,
];

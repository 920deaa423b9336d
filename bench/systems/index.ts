import { bullmqPostgres, bullmqRedis } from "./bullmq.ts";
import { graphileWorker, graphileWorkerPlain } from "./graphile-worker.ts";
import { limit } from "./limit.ts";
import { millrace, millraceSync } from "./millrace.ts";
import type { SystemName } from "./names.ts";
import { pgBoss } from "./pg-boss.ts";
import type { System, Target } from "./system.ts";
import { timers } from "./timers.ts";

/** Every system by its name. */
export const SYSTEMS: Readonly<Record<SystemName, (target: Target) => System | Promise<System>>> = {
  limit,
  timers,
  millrace,
  "millrace-sync": millraceSync,
  "graphile-worker": graphileWorker,
  "graphile-worker-plain": graphileWorkerPlain,
  "pg-boss": pgBoss,
  "bullmq-redis": bullmqRedis,
  "bullmq-postgres": bullmqPostgres,
};

import type { ChaosTest } from "./harness/test.ts";
import { t01 } from "./tests/t01-kills.ts";
import { t02 } from "./tests/t02-pauses.ts";
import { t03 } from "./tests/t03-restarts.ts";
import { t04 } from "./tests/t04-long-outage.ts";
import { t05 } from "./tests/t05-terminations.ts";
import { t06 } from "./tests/t06-backend-kills.ts";
import { t07 } from "./tests/t07-deaf-listener.ts";
import { t08 } from "./tests/t08-half-open.ts";
import { t09 } from "./tests/t09-stalls.ts";
import { t10 } from "./tests/t10-lost-replies.ts";
import { t11 } from "./tests/t11-pooler.ts";
import { t12 } from "./tests/t12-full-queue.ts";
import { t13 } from "./tests/t13-old-snapshot.ts";
import { t14 } from "./tests/t14-starved-pool.ts";
import { t15 } from "./tests/t15-no-connections.ts";
import { t16 } from "./tests/t16-isolation.ts";
import { t17 } from "./tests/t17-failover.ts";
import { t18 } from "./tests/t18-disk-full.ts";
import { t19 } from "./tests/t19-clocks.ts";
import { t20 } from "./tests/t20-newcomers.ts";
import { t21 } from "./tests/t21-mixed-versions.ts";
import { t22 } from "./tests/t22-poison.ts";
import { t23 } from "./tests/t23-hostile-handlers.ts";
import { t24 } from "./tests/t24-blocked-loop.ts";
import { t25 } from "./tests/t25-subscribers.ts";
import { t26 } from "./tests/t26-shutdowns.ts";
import { t27 } from "./tests/t27-start-stop.ts";
import { t28 } from "./tests/t28-payloads.ts";
import { t29 } from "./tests/t29-names.ts";
import { t30 } from "./tests/t30-large-ids.ts";
import { t31 } from "./tests/t31-agreement.ts";
import { t32 } from "./tests/t32-explorer.ts";
import { t33 } from "./tests/t33-soak.ts";
import { t34 } from "./tests/t34-roles.ts";
import { t35 } from "./tests/t35-secrets.ts";
import { t36 } from "./tests/t36-notify-flood.ts";

/** The fault board, in its order. `docs/reliability.md` shows it with its last figures. */
export const BOARD: readonly ChaosTest[] = [
  t01,
  t02,
  t03,
  t04,
  t05,
  t06,
  t07,
  t08,
  t09,
  t10,
  t11,
  t12,
  t13,
  t14,
  t15,
  t16,
  t17,
  t18,
  t19,
  t20,
  t21,
  t22,
  t23,
  t24,
  t25,
  t26,
  t27,
  t28,
  t29,
  t30,
  t31,
  t32,
  t33,
  t34,
  t35,
  t36,
];

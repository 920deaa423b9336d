/**
 * A process of its own that listens to events: subscribes at the message `on`, unsubscribes at `off`
 * and then tells which jobs succeeded when, and how many events it missed.
 */
import type { Subscription } from "rxjs";
import { createClient } from "../src/index.ts";
import { jobs } from "./jobs.ts";

/** What it tells at `off`. */
export interface Heard {
  readonly type: "heard";
  /** Ids of jobs and when `succeeded` came, in milliseconds since 1970. */
  readonly succeeded: readonly (readonly [id: string, at: number])[];
  readonly missed: number;
}

const client = createClient({ connectionString: String(process.env["DATABASE_URL"]), jobs, logger: false });
let subscription: Subscription | undefined;
let succeeded: [string, number][] = [];
let missed = 0;

process.on("message", (order) => {
  if (order === "on") {
    subscription = client.events().subscribe((event) => {
      if (event.type === "succeeded")
        succeeded.push([event.job.id, performance.timeOrigin + performance.now()]);
      if (event.type === "gap") missed += event.missed ?? 1;
      if (event.type === "listening") process.send?.("listening");
    });
  } else if (order === "off") {
    subscription?.unsubscribe();
    process.send?.({ type: "heard", succeeded, missed } satisfies Heard);
    succeeded = [];
    missed = 0;
  } else {
    void client.close().then(() => process.disconnect());
  }
});

// The bench is done with it, or is gone.
process.once("disconnect", () => process.exit());

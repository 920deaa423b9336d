import { fork } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { Observable, interval, lastValueFrom, map, take, tap } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ClusterEvent } from "../../src/events/cluster-event.ts";
import type { Run } from "../../src/postgres/database.ts";
import { until } from "../support/postgres.ts";
import { useCluster } from "./cluster.ts";
import { started, succeeded } from "./fixtures.ts";
import { hear } from "./hear.ts";
import type { Hearer } from "./hear.ts";

const cluster = useCluster();

/** A subscriber in a process of its own. */
interface Child extends Hearer {
  readonly tell: (order: string | number) => void;
  /** Its exit code and what it wrote to stderr. */
  readonly ended: () => Promise<{ code: number; stderr: string }>;
}

function startChild(): Child {
  const child = fork(new URL("./subscriber-child.ts", import.meta.url), [cluster.database.connectionString], {
    execArgv: ["--import", "tsx", "--unhandled-rejections=strict"],
    stdio: ["ignore", "inherit", "pipe", "ipc"],
    serialization: "advanced",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const stderr = text(child.stderr as NonNullable<typeof child.stderr>);
  const exited = once(child, "exit");
  const event$ = new Observable<ClusterEvent>((subscriber) => {
    child.on("message", (event) => subscriber.next(event as ClusterEvent));
  });
  return {
    ...hear(event$),
    tell: (order) => void child.send(order),
    ended: async () => ({ code: ((await exited) as [number])[0], stderr: await stderr }),
  };
}

describe("clusterEvents in another process", () => {
  it("lets the process exit by itself when it is unsubscribed, and leaves no entry", async () => {
    const child = startChild();
    await child.first("listening");
    expect(await cluster.entries()).toBe(1);
    child.tell("unsubscribe");
    expect(await child.ended()).toEqual({ code: 0, stderr: "" });
    await until(cluster.database.pool, "select true where not exists (select from millrace.subscribers)");
    expect(await cluster.listeners()).toBe(0);
  });

  it("slows nobody while it is busy for 5 s, and misses nothing", async () => {
    let slowest = 0;
    const worker = cluster.worker("one", {
      wrap: (run) =>
        (async (statement, values) => {
          const from = performance.now();
          const rows = await run(statement, values);
          slowest = Math.max(slowest, performance.now() - from);
          return rows;
        }) as Run,
    });
    const child = startChild();
    const here = hear(cluster.client().event$());
    await Promise.all([child.first("listening"), here.first("listening")]);
    worker.say(started("7", "one"));
    await Promise.all([child.first("started"), here.first("started")]);

    child.tell(5_000);
    slowest = 0;
    const said$ = interval(20).pipe(
      take(240),
      tap((round) =>
        worker.say(...Array.from({ length: 50 }, (_, index) => succeeded(1 + round * 50 + index))),
      ),
      map((round) => (round + 1) * 50),
    );
    const count = await lastValueFrom(said$);
    const isLast = (event: ClusterEvent): boolean => "job" in event && event.job.id === String(count);
    await here.first(isLast);
    expect(child.ids().length).toBeLessThan(count);
    expect(slowest).toBeLessThan(1_000);

    await child.first(isLast);
    const ids = Array.from({ length: count }, (_, index) => String(index + 1));
    expect(child.ids()).toEqual(ids);
    expect(here.ids()).toEqual(ids);
    expect([...child.types(), ...here.types()]).not.toContain("gap");
    expect(worker.passed.map(({ type }) => type)).not.toContain("publish-failed");
  });
});

import { describe, expect, it, vi } from "vitest";
import { payload } from "../../src/index.ts";
import type { ClusterEvent } from "../../src/index.ts";
import { eventsChannelOf } from "../../src/postgres/channel.ts";
import { hear } from "../events/hear.ts";
import type { Hearer } from "../events/hear.ts";
import { startWorker } from "../support/child.ts";
import type { ChildWorker } from "../support/child.ts";
import type { Deed, WorkerOrder } from "../support/children/worker.ts";
import { openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const jobs = { deed: payload<Deed>(), other: payload<null>() };

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

const work = async (worker: WorkerOrder["worker"]): Promise<ChildWorker> =>
  startWorker({ connectionString: database.connectionString, ...(worker && { worker }) });

/** Every text that is notified on the channel of events from now on. */
async function texts(): Promise<readonly string[]> {
  const listener = await database.client();
  const heard: string[] = [];
  listener.on("notification", ({ payload: text = "" }) => heard.push(text));
  await listener.query(`listen "${eventsChannelOf("millrace")}"`);
  return heard;
}

const about = (heard: Hearer, id: string): readonly ClusterEvent[] =>
  heard.events.filter((event) => "job" in event && event.job.id === id);

describe("client.events", () => {
  it("tells what happens in another process, with its worker, without payload and result", async () => {
    const client = open();
    const worker = await work({ label: "mill one" });
    const notified = await texts();
    const heard = hear(client.events());
    await heard.first("listening");
    const id = await client.enqueue("deed", { returns: "the secret" }, { source: "turn 1" });
    await heard.first((event) => event.type === "succeeded");
    const [start, end] = about(heard, id);
    const ref = { id: expect.stringMatching(/^\d+$/u), label: "mill one" };
    const job = { id, kind: "deed", queue: "default", source: "turn 1", attempt: 1, maxAttempts: 3 };
    expect(start).toEqual({ type: "attempt-started", job, waitMs: expect.any(Number), worker: ref });
    expect(end).toEqual({
      type: "succeeded",
      job,
      durationMs: expect.any(Number),
      result: undefined,
      worker: ref,
    });
    expect((await worker.event("succeeded")).result).toBe("the secret");
    expect(notified.length).toBeGreaterThan(0);
    expect(JSON.stringify([notified, heard.events])).not.toContain("secret");
  });

  it("tells what matches each filter", async () => {
    const client = open();
    await work({ queues: ["default", "slow"] });
    const filters = [
      { kinds: ["deed"], types: ["succeeded"] },
      { kinds: ["other"] },
      { queues: ["slow"], types: ["succeeded"] },
      { source: "turn 7", types: ["succeeded"] },
      { types: ["failed", "succeeded"] },
    ] as const;
    const heard = filters.map((filter) => hear(client.events(filter)));
    await Promise.all(heard.map((one) => one.first("listening")));
    const one = await client.enqueue("deed", "succeed");
    const two = await client.enqueue("deed", "succeed", { queue: "slow" });
    const three = await client.enqueue("deed", "succeed", { source: "turn 7" });
    const wanted = [[one, two, three], [], [two], [three], [one, two, three]];
    await Promise.all(
      heard.map((each, index) => each.until(() => each.ids().length === wanted[index]?.length)),
    );
    expect(heard.map((each) => each.ids().toSorted())).toEqual(wanted);
  });

  it("is told nothing by a worker that never publishes", async () => {
    const client = open();
    const notified = await texts();
    const silent = await work({ publish: "never", label: "silent" });
    const heard = hear(client.events());
    await heard.first("listening");
    await client.enqueue("deed", "succeed");
    await silent.event("succeeded");
    silent.kill("SIGKILL");
    await silent.ended();
    await work({ label: "loud" });
    const id = await client.enqueue("deed", "succeed");
    await heard.first("succeeded");
    expect(new Set(heard.ids())).toEqual(new Set([id]));
    expect(notified.some((text) => text.includes('"loud"'))).toBe(true);
    expect(notified.some((text) => text.includes('"silent"'))).toBe(false);
  });

  it("is not needed by a worker that publishes always, as it is by others", async () => {
    const client = open();
    const notified = await texts();
    const others = await work({ label: "waits", queues: ["slow"] });
    await work({ publish: "always", label: "speaks" });
    await client.enqueue("deed", "succeed", { queue: "slow" });
    await others.event("succeeded");
    const id = await client.enqueue("deed", "succeed");
    const spoken = (): boolean => notified.some((text) => text.includes(`,[1,"deed","default",3,${id},`));
    await vi.waitFor(() => expect(spoken()).toBe(true), { timeout: 10_000 });
    expect(notified.some((text) => text.includes('"waits"'))).toBe(false);
  });

  it("shows a lost connection as deaf and a gap with how long it lasted, and goes on", async () => {
    const client = open();
    await work({});
    const heard = hear(client.events({ types: ["succeeded"] }));
    await heard.first("listening");
    await client.enqueue("deed", "succeed");
    await heard.first("succeeded");
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'millrace events' and datname = current_database()`,
    );
    await heard.until(() => heard.types().filter((type) => type === "listening").length === 2);
    const id = await client.enqueue("deed", "succeed");
    await heard.until(() => heard.ids().includes(id));
    const types = heard.types().filter((type) => type !== "succeeded");
    expect(types).toEqual(["listening", "deaf", "gap", "listening"]);
    expect(heard.events.find(({ type }) => type === "gap")).toEqual({
      type: "gap",
      durationMs: expect.any(Number),
    });
  });

  it("goes on from a cursor, after what happened while nobody listened", async () => {
    const client = open();
    const worker = await work({});
    const keepResultMs = 60_000;
    const heard = hear(client.events({ from: "now" }));
    await heard.first("listening");
    const first = await client.enqueue("deed", { returns: "secret" }, { keepResultMs });
    const event = await heard.first("succeeded");
    heard.stop();
    expect(about(heard, first).filter(({ type }) => type === "succeeded")).toHaveLength(1);

    const missed = [
      await client.enqueue("deed", { returns: "secret" }, { keepResultMs }),
      await client.enqueue("deed", { returns: "secret" }, { keepResultMs }),
    ];
    await worker.until((types) => types.filter((type) => type === "succeeded").length === 3);
    const from = "cursor" in event ? event.cursor : undefined;
    const again = hear(open().events({ types: ["succeeded"], from }));
    await again.first("listening");
    const live = await client.enqueue("deed", { returns: "secret" }, { keepResultMs });
    const plain = await client.enqueue("deed", { returns: "secret" });
    await again.until(() => again.ids().includes(live) && again.ids().includes(plain));
    expect(again.ids().filter((id) => id !== plain)).toEqual([...missed, live]);
    expect(again.types().filter((type) => type !== "succeeded")).toEqual(["listening"]);
    expect(JSON.stringify([heard.events, again.events])).not.toContain("secret");
  });

  it("opens one connection for all subscribers of a client, and none is left after the last", async () => {
    const client = open();
    const count = async (): Promise<unknown> => {
      const { rows } = await database.pool.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
          where application_name = 'millrace events' and datname = current_database()`,
      );
      return rows[0]?.count;
    };
    const heard = [hear(client.events()), hear(client.events({ kinds: ["deed"] })), hear(client.events())];
    await Promise.all(heard.map((one) => one.first("listening")));
    expect(await count()).toBe(1);
    for (const one of heard) one.stop();
    await until(
      database.pool,
      `select true where not exists (select from millrace.subscribers) and not exists (
         select from pg_stat_activity
          where application_name = 'millrace events' and datname = current_database())`,
    );
  });
});

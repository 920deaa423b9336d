import pg from "pg";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import type { SystemName } from "../systems/names.ts";
import type { Target } from "../systems/system.ts";
import { startChild } from "./child-process.ts";
import type { Child, ChildSettings } from "./child-process.ts";
import { startRedis } from "./redis.ts";
import { parentOf, serverCpuUs } from "./server-cpu.ts";

/** One Postgres server, and places in it. */
export interface Lab extends AsyncDisposable {
  /** Makes an empty store for a system, with its tables and queues. */
  readonly place: (system: SystemName, settings?: PlaceSettings) => Promise<Place>;
  /** The version of the server. */
  readonly postgresVersion: string;
  /** Whether the server was there before, with settings of its own. */
  readonly isGiven: boolean;
}

/** Settings of a place. */
export interface PlaceSettings {
  /** How many queues there are. Default 1. */
  readonly queues?: number;
}

/** A store of its own for one system: a database, or a Redis server. */
export interface Place extends AsyncDisposable {
  readonly system: SystemName;
  /** Starts a child that has connected to the store. Those that run are ended with the place. */
  readonly child: () => Promise<Child>;
  /** Runs a statement in the database, past the system. */
  readonly sql: (text: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Takes a snapshot of the database in a session of its own, and holds it until it is disposed of. */
  readonly holdSnapshot: () => Promise<AsyncDisposable>;
  /** What a server that has been up for a while has done: statistics, vacuum, a checkpoint. */
  readonly settle: () => Promise<void>;
  /** Processor time of the store's server so far, in microseconds; `undefined` where it is not known. */
  readonly serverCpuUs: () => Promise<number | undefined>;
}

/** The same for all: enough connections and memory, and no checkpoint in the middle of a measurement. */
const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  max_connections: "400",
  shared_buffers: "1GB",
  max_wal_size: "16GB",
  checkpoint_timeout: "1h",
};

/** Starts the server, or takes the one that `DATABASE_URL` names. */
export async function openLab(settings: ChildSettings): Promise<Lab> {
  const given = process.env["DATABASE_URL"];
  const server =
    given === undefined ? await startEmbeddedPostgres({ settings: POSTGRES_SETTINGS }) : undefined;
  const connectionString = server?.connectionString ?? String(given);
  const admin = new pg.Client({ connectionString });
  await admin.connect();
  const { rows } = await admin.query<{ pid: number; version: string }>(
    "select pg_backend_pid() as pid, current_setting('server_version') as version",
  );
  // The processes of a server that was given may run on another machine.
  const serverPid = server === undefined ? undefined : await parentOf(Number(rows[0]?.pid));
  let places = 0;
  return {
    postgresVersion: String(rows[0]?.version),
    isGiven: server === undefined,
    place: async (system, placeSettings) => {
      const database = `millrace_bench_${process.pid}_${places++}`;
      await admin.query(`create database ${database}`);
      const url = new URL(connectionString);
      url.pathname = `/${database}`;
      const drop = (): Promise<unknown> => admin.query(`drop database ${database} with (force)`);
      return openPlace({ system, settings, postgres: url.href, serverPid, drop }, placeSettings);
    },
    [Symbol.asyncDispose]: async () => {
      await admin.end();
      await server?.stop();
    },
  };
}

interface Opening {
  readonly system: SystemName;
  readonly settings: ChildSettings;
  readonly postgres: string;
  /** `undefined` where the bench did not start it. */
  readonly serverPid: number | undefined;
  readonly drop: () => Promise<unknown>;
}

async function openPlace(
  { system, settings, postgres, serverPid, drop }: Opening,
  { queues = 1 }: PlaceSettings = {},
): Promise<Place> {
  const redis = system === "bullmq-redis" ? await startRedis() : undefined;
  const names = Array.from({ length: queues }, (_, n) => `queue-${n}`);
  const target: Target = { postgres, redisPort: redis?.port, queues: names };
  const sql = new pg.Client({ connectionString: postgres });
  await sql.connect();
  const children = new Set<Child>();
  const place: Place = {
    system,
    child: async () => {
      const child = startChild(settings, system, target);
      children.add(child);
      // Whatever it is asked first, it has connected when it answers.
      await child.ask("usage", {});
      return { ...child, end: () => (children.delete(child), child.end()) };
    },
    sql: async (text) => (await sql.query<Record<string, unknown>>(text)).rows,
    holdSnapshot: () => holdSnapshot(postgres),
    settle: async () => {
      if (redis !== undefined) return;
      await sql.query("vacuum analyze");
      await sql.query("checkpoint");
    },
    serverCpuUs: async () => {
      const pid = redis?.pid ?? serverPid;
      return pid === undefined ? undefined : serverCpuUs(pid);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...children].map((child) => child.end()));
      await sql.end();
      await redis?.stop();
      await drop();
    },
  };
  try {
    const preparing = await place.child();
    await preparing.ask("prepare", {});
    await preparing.end();
    return place;
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

async function holdSnapshot(connectionString: string): Promise<AsyncDisposable> {
  const session = new pg.Client({ connectionString });
  await session.connect();
  await session.query("begin isolation level repeatable read");
  // The first statement takes it.
  await session.query("select count(*) from pg_class");
  return { [Symbol.asyncDispose]: () => session.end() };
}

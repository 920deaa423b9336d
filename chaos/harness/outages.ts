import pg from "pg";
import type { ChaosDatabase } from "./database.ts";
import type { Figures } from "./figures.ts";
import type { Fleet } from "./fleet.ts";
import { nowMs, until } from "./wait.ts";

/** When a server was away, in milliseconds since 1970. */
export interface Outage {
  readonly beganAt: number;
  /** When it took connections again. */
  readonly endedAt: number;
}

/** How long a connection may take, in milliseconds. */
const CONNECT_MS = 1_000;

/** Resolves when a server takes connections. */
export async function accepting(connectionString: string): Promise<void> {
  await until("the server takes connections", () => takesConnection(connectionString), { everyMs: 5 });
}

async function takesConnection(connectionString: string): Promise<true | undefined> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: CONNECT_MS });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return undefined;
  }
}

/**
 * How the workers came through: the longest time from the end of an outage to the first claim of the
 * fleet and to the last listener, and the most lines that a worker logged of an outage, those of
 * single jobs aside.
 */
export async function outageFigures(
  { pool }: ChaosDatabase,
  fleet: Fleet,
  outages: readonly Outage[],
): Promise<Figures> {
  const { rows } = await pool.query<{ at: number }>(
    "select date_part('epoch', c.at) * 1000 as at from chaos.claims c order by c.at",
  );
  let slowestClaimMs = 0;
  let slowestListenMs = 0;
  let mostLogLines = 0;
  outages.forEach(({ beganAt, endedAt }, n) => {
    const nextAt = outages[n + 1]?.beganAt ?? nowMs();
    const within = (at: number): boolean => at > beganAt && at < nextAt;
    const claimedAt = rows.find(({ at }) => at > endedAt)?.at ?? Infinity;
    slowestClaimMs = Math.max(slowestClaimMs, claimedAt - endedAt);
    for (const { said, logged } of fleet.members()) {
      const heardAt =
        said.find((one) => one.said === "event" && one.event.type === "listen-restored" && within(one.at))
          ?.at ?? Infinity;
      slowestListenMs = Math.max(slowestListenMs, heardAt - endedAt);
      mostLogLines = Math.max(mostLogLines, logged.filter(({ at, ofJob }) => within(at) && !ofJob).length);
    }
  });
  return { outages: outages.length, slowestClaimMs, slowestListenMs, mostLogLines };
}

import type { EnqueueCall, EnqueuerOrder, EnqueuerSaid } from "../children/enqueuer.ts";
import { startChild } from "../harness/child.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import type { Member } from "../harness/member.ts";
import { programOf } from "../harness/programs.ts";
import type { Random } from "../harness/random.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { until } from "../harness/wait.ts";
import type { Deed } from "../harness/work.ts";
import { MOST_MS, clockOf, forwardClock, jumpingClock } from "../harness/wrong-clocks.ts";
import type { WrongClock } from "../children/wrong-clock.ts";

const LEASE_MS = 2_000;
const WORKERS = 3;

const SETTINGS = {
  leaseDurationMs: LEASE_MS,
  concurrency: 40,
  progressIntervalMs: 50,
  pollIntervalMs: 30_000,
};

/** Jobs of all sorts in a round. */
const MIXED = 60;

/** Nothing is later than that, in milliseconds. */
const LATE_MS = 1_000;

/** Of a job that needs heartbeats. */
const LONG_MS = 4_500;

/** How long before its timeout an attempt ends. */
const LEEWAY_MS = 3_000;

const DEEDS: readonly Deed[] = ["transaction", "return", "progress", "fail-once"];

/** Notes when each claimed job was due: a retry and a recovery move that. */
const NOTE_SQL = `
create table chaos.dues (job bigint, token int, due timestamptz, at timestamptz default clock_timestamp());
create function chaos.note_dues() returns trigger language plpgsql as $$
begin
  insert into chaos.dues (job, token, due) select n.id, n.token, n.run_at from added n;
  return null;
end $$;
create trigger note_dues after insert on millrace.claimed referencing new table as added
  for each statement execute function chaos.note_dues()`;

/** By the clock of the database: how late jobs were claimed and begun. Also what was lost, and retried. */
const FIGURES_SQL = `
select (select coalesce(max(date_part('epoch', d.at - d.due) * 1000), 'infinity') from chaos.dues d)
         as "latestClaimMs",
       (select coalesce(max(date_part('epoch', r.at - d.due) * 1000), 'infinity')
          from chaos.dues d left join chaos.runs r on r.job = d.job and r.token = d.token) as "latestStartMs",
       (select count(*) from chaos.told t where t.type = 'lease-lost')::int as "leasesLost",
       (select count(*) from chaos.enqueued e where e.deed = 'fail-once')::int as "toFail"`;

/**
 * Workers and those who enqueue have clocks that are up to ten minutes ahead or behind, go at half or
 * one and a half times the speed, and are set to somewhere else several times a second. Jobs are
 * delayed, enqueued for a moment, and retried after a pause; some take longer than a lease.
 *
 * Each worker has a queue of its own, and polls are half a minute apart, so that nobody makes up for
 * what another one missed. A round begins with a job that is due in a while and then one that is due
 * before it, of which each worker has to notice by a hint alone.
 *
 * Seen failing: while elapsed time was the difference of two dates, and while it was the date of whoever
 * enqueued that told how far away `runAt` is, jobs began more than a second late.
 *
 * The control is a worker without a clock that nobody can set: what it measures jumps.
 */
export const t19: ChaosTest = {
  id: "T19",
  title: "clocks of workers 10 minutes ahead and behind, drifting, and set again and again",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const others = Array.from({ length: WORKERS - 1 }, (_, place) => clockOf(random, place));
    const last = forwardClock(random);
    const rounds = size(10, 1);
    const calls = Array.from({ length: rounds }, () => [...pairs(WORKERS), ...mixed(random)]).flat();
    const caller = jumpingClock(random, MOST_MS);
    const [figures, control] = await Promise.all([
      withClocks(open, [...others, last], { clock: caller, calls }),
      withClocks(open, [{ ...last, alone: true }], { clock: caller, calls: pairs(1) }),
    ]);
    return {
      figures: { rounds, ...figures },
      rules: {
        ...SOUND,
        latestStartMs: atMost(LATE_MS),
        leasesLost: is(0),
        expired: is(0),
        timeouts: is(0),
        mismeasured: is(0),
        extraRuns: is(figures["toFail"] ?? 0),
      },
      control: { latestClaimMs: control["latestClaimMs"] ?? 0 },
      controlRules: { latestClaimMs: atLeast(LATE_MS) },
    };
  },
};

type Caller = Pick<EnqueuerOrder, "clock" | "calls">;

async function withClocks(
  open: () => Promise<ChaosDatabase>,
  clocks: readonly WrongClock[],
  caller: Caller,
): Promise<Figures> {
  await using database = await open();
  await database.pool.query(NOTE_SQL);
  await using fleet = startFleet(database, {
    size: clocks.length,
    worker: {},
    orderOf: (place) => ({
      worker: { ...SETTINGS, queues: [queueOf(place)] },
      ...(clocks[place] === undefined ? {} : { clock: clocks[place] }),
    }),
  });
  await fleet.ready();
  await until("all listen", () => (fleet.members().every(listens) ? true : undefined));
  await enqueue(database, caller);
  await database.allDone();
  await fleet.stop();
  const audit = await database.audit();
  const { rows } = await database.pool.query<Record<string, number>>(FIGURES_SQL);
  return { ...rows[0], ...told(fleet), ...audit, ...fleet.figures() };
}

async function enqueue(database: ChaosDatabase, { clock, calls }: Caller): Promise<void> {
  const order: EnqueuerOrder = { connectionString: database.connectionString, calls, clock };
  await using child = startChild<EnqueuerSaid>("enqueuer", order, ["--import", programOf("wrong-clock")]);
  await child.hear("ended");
  for (const one of child.said) if (one.said === "enqueued") database.ledger.enqueued(one.id, one.deed);
}

function listens({ logged }: Member): boolean {
  return logged.some(({ event }) => event === "listen-restored");
}

/** What the workers told that should not have been, or was measured by a clock that is wrong. */
function told(fleet: Fleet): Figures {
  const events = fleet.events().map(({ event }) => event);
  const retries = events.filter((event) => event.type === "retry-scheduled");
  return {
    expired: events.filter(({ type }) => type === "lease-expired").length,
    timeouts: retries.filter(({ error }) => error.name === "AttemptTimeoutError").length,
    mismeasured: retries.filter(({ durationMs }) => durationMs < 0 || durationMs > LONG_MS).length,
  };
}

/** For each queue a job that is due in 4 s, and then, when clocks were set, one that is due before it. */
function pairs(queues: number): readonly EnqueueCall[] {
  const each = (call: Omit<EnqueueCall, "work" | "options">, delayMs?: number): readonly EnqueueCall[] =>
    Array.from({ length: queues }, (_, place) => ({
      work: { deed: "return" },
      options: { queue: queueOf(place), delayMs },
      ...call,
      pauseMs: place === 0 ? call.pauseMs : 0,
    }));
  return [...each({ pauseMs: 0 }, 4_000), ...each({ runInMs: 300, pauseMs: 600 })];
}

/** Jobs of all sorts, when those of the pairs are late if they are. The first ones take longer than a lease. */
function mixed({ integer }: Random): readonly EnqueueCall[] {
  return Array.from({ length: MIXED }, (_, n) => {
    const deed = DEEDS[n % DEEDS.length] ?? "return";
    const ms = n < 3 * DEEDS.length && deed !== "fail-once" ? LONG_MS : integer(0, 500);
    const backoff = { initialMs: integer(200, 800), factor: 1, jitter: 0 };
    const options = { queue: queueOf(n % WORKERS), backoff, timeoutMs: ms + LEEWAY_MS };
    const whenMs = integer(1, 1_500);
    const when = [{ options }, { options: { ...options, delayMs: whenMs } }, { options, runInMs: whenMs }];
    return {
      work: { deed, ms },
      options,
      ...when[integer(0, 2)],
      pauseMs: n === 0 ? LATE_MS + 300 : integer(5, 35),
    };
  });
}

function queueOf(place: number): string {
  return `queue ${place}`;
}

import type { WriteStream } from "node:tty";
import { asyncScheduler, auditTime, defer, map, scan, tap, timestamp } from "rxjs";
import type { Observable, Timestamp } from "rxjs";
import { quantile } from "./histogram.ts";
import { KINDS } from "./kinds.ts";
import { NO_STATS, total } from "./stats.ts";
import type { Stats } from "./stats.ts";

/** The stats at one moment, with what happened lately. */
export interface Frame {
  readonly stats: Stats;
  /** Milliseconds since the first frame. */
  readonly elapsedMs: number;
  /** Jobs done per second, over the last two seconds or since the last frame. */
  readonly rate: number;
}

/** Time over which the rate is taken. */
const RATE_WINDOW_MS = 2_000;

/** Moves a terminal's cursor up and erases all below it. */
const eraseLines = (count: number): string => (count === 0 ? "" : `\u001b[${String(count)}A\u001b[J`);

/**
 * Shows stats while they change: on a terminal in place, ten times a second, else as one line a
 * second. Emits what it has shown; completes, after the last stats, when they do.
 */
export function showStats(stats$: Observable<Stats>, output: WriteStream): Observable<Frame> {
  const frame$ = framesOf(stats$, output.isTTY ? 100 : 1_000);
  if (!output.isTTY) return frame$.pipe(tap((frame) => output.write(`${frameLine(frame)}\n`)));
  return defer(() => {
    let drawn = 0;
    return frame$.pipe(
      tap((frame) => {
        const lines = frameLines(frame).map((line) => line.slice(0, widthOf(output) - 1));
        output.write(`${eraseLines(drawn)}${lines.join("\n")}\n`);
        drawn = lines.length;
      }),
    );
  });
}

/** The columns of a terminal; one that does not know its size says 0. */
const widthOf = ({ columns }: WriteStream): number => (columns > 0 ? columns : 80);

/** A frame for the log: one line. */
export function frameLine({ stats, elapsedMs, rate }: Frame): string {
  const { running, succeeded, retried, failed } = total(stats);
  const seconds = (elapsedMs / 1_000).toFixed(0).padStart(3);
  return (
    `${seconds} s  ${String(succeeded)} done, ${String(running)} in flight, ${String(retried)} retried, ` +
    `${String(failed)} failed, ${rate.toFixed(0)} jobs/s, ${pickup(stats)}`
  );
}

/** A frame for the terminal. */
export function frameLines({ stats, elapsedMs, rate }: Frame): string[] {
  const row = (name: string, cells: readonly (string | number)[]) =>
    name.padEnd(20) + cells.map((cell) => String(cell).padStart(10)).join("");
  const all = total(stats);
  return [
    row("", ["done", "in flight", "retried", "failed"]),
    ...[...KINDS.map((kind) => [kind, stats.jobs[kind]] as const), ["all", all] as const].map(
      ([name, count]) => row(name, [count.succeeded, count.running, count.retried, count.failed]),
    ),
    "",
    `${(elapsedMs / 1_000).toFixed(1)} s, ${rate.toFixed(0)} jobs/s, ${pickup(stats)}   (Ctrl-C drains)`,
    "",
    ...stats.recent.map((event) => `  ${event}`),
  ];
}

const pickup = ({ pickup: histogram }: Stats): string =>
  `picked up after ${quantile(histogram, 0.5).toFixed(1)} ms (p50), ${quantile(histogram, 0.99).toFixed(1)} ms (p99)`;

/**
 * Turns stats into frames, at most one a period; the last stats always come.
 *
 * ```
 * stats$  ab-c--d---e|
 * frame$  ----c---d---(e|)
 * ```
 */
function framesOf(stats$: Observable<Stats>, periodMs: number): Observable<Frame> {
  return defer(() => {
    const start: Timestamp<Stats> = { value: NO_STATS, timestamp: asyncScheduler.now() };
    return stats$.pipe(
      auditTime(periodMs),
      timestamp(),
      scan(within(RATE_WINDOW_MS), [start]),
      map((moments) => frameOf(moments, start)),
    );
  });
}

// After a pause longer than the window, the moment before it is what there is to compare with.
const within =
  (windowMs: number) =>
  (moments: Timestamp<Stats>[], now: Timestamp<Stats>): Timestamp<Stats>[] => {
    const recent = moments.filter(({ timestamp: at }) => now.timestamp - at <= windowMs);
    return [...(recent.length > 0 ? recent : moments.slice(-1)), now];
  };

function frameOf(moments: readonly Timestamp<Stats>[], start: Timestamp<Stats>): Frame {
  const [first = start, last = start] = [moments[0], moments.at(-1)];
  const seconds = (last.timestamp - first.timestamp) / 1_000;
  const done = total(last.value).succeeded - total(first.value).succeeded;
  return {
    stats: last.value,
    elapsedMs: last.timestamp - start.timestamp,
    rate: seconds === 0 ? 0 : done / seconds,
  };
}

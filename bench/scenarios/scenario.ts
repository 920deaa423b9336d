import type { Lab } from "../lab/lab.ts";
import type { SystemName } from "../systems/names.ts";

/** Something that is measured, for millrace and for its peers. */
export interface Scenario {
  readonly name: string;
  /** What it measures, in a sentence. */
  readonly about: string;
  /** The systems that it makes sense for. */
  readonly systems: readonly SystemName[];
  readonly headline: Headline;
  /** What varies within it. At the scale 1 numbers are those of the documentation. */
  readonly cases: (scale: number) => readonly Case[];
}

/** The figure by which systems are compared. */
export interface Headline {
  readonly figure: string;
  /** Whether more of it is better. */
  readonly better: "more" | "less";
  /** Whether each system is compared with itself in the first case as well. */
  readonly acrossCases?: boolean;
}

/** One point of what a scenario varies. */
export interface Case {
  /** Tells it from the others; empty where there is one only. */
  readonly label: string;
  /**
   * Measures a system: each value is one run. The systems take turns, a run each. What is set up
   * before the first run serves all, and is taken down when no more is asked for.
   */
  readonly runs: (lab: Lab, system: SystemName) => AsyncGenerator<Measured, unknown>;
}

/** What a run has shown. */
export interface Measured {
  /** Numbers by their names, which end in their unit. */
  readonly figures: Readonly<Record<string, number>>;
  /** Lists of numbers, for plots. */
  readonly series?: Readonly<Record<string, readonly number[]>>;
}

/** Runs that each begin with an empty store. */
export function fresh(
  measure: (lab: Lab, system: SystemName) => Promise<Measured>,
): (lab: Lab, system: SystemName) => AsyncGenerator<Measured, unknown> {
  return async function* (lab, system) {
    for (;;) yield await measure(lab, system);
  };
}

/** A number of jobs at a scale, in round hundreds, and not below `least`. */
export function scaled(count: number, scale: number, least = 100): number {
  return Math.max(least, Math.round((count * scale) / 100) * 100);
}

/**
 * Jobs that a warm worker is measured over, after a fifth as many to get warm. At a small scale there are still
 * 20,000: a worker may handle 3,000 between two looks at how far it is, and of fewer jobs too few would be left
 * when measuring begins.
 */
export function measuredWarm(scale: number): number {
  return scaled(100_000, scale, 20_000);
}

/** A number of jobs for a label: 20k, 1M. */
export function compact(count: number): string {
  return Intl.NumberFormat("en", { notation: "compact" }).format(count).replace("K", "k");
}
